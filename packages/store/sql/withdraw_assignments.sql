-- Takes back what no gateway has recorded as written to a socket: the row says again what it said before, under a new seq (D3), and
-- the targets that still count as admitted wait again.
-- $1 rollout, $2 agents, $3 also everything this rollout has not got offered yet
with concerned as materialized (
	select unnest($2::uuid[]) as agent_id
	union
	select agent_id from rollout_target
	where $3 and rollout_id = $1 and seq is not null and state in ('Pending', 'Deferred')
),
doomed as materialized (
	select s.agent_id, t.former_version, t.former_attempt, t.former_answer
	from concerned c
	join rollout_target t on t.rollout_id = $1 and t.agent_id = c.agent_id
	join assignment s on s.agent_id = c.agent_id and s.rollout_id = $1
	join rollout r on r.id = $1 and r.version_id = s.version_id
	where s.cause in ('rollout', 'retry') and s.answer = 'none'
),
taken as (
	update assignment s set
		version_id = d.former_version,
		attempt = d.former_attempt,
		offered_hash = (select sha256(v.content_hash || int4send(d.former_attempt)) from configuration_version v where v.id = d.former_version),
		seq = s.seq + 1,
		cause = 'withdrawal',
		rollout_id = null,
		answer = case when d.former_version is null then 'none' else d.former_answer end,
		answer_error = null,
		offered_at = null,
		answered_at = null,
		effective = 'unknown',
		effective_detail = null,
		changed_at = clock_timestamp()
	from doomed d
	where s.agent_id = d.agent_id
	returning s.agent_id
),
waiting as (
	update rollout_target t set
		seq = null,
		wake_at = null,
		admitted_at = null,
		watch = t.watch || '{"dispatches": 0, "dispatchAt": null, "waitedMs": 0, "waitingSince": null}'
	from taken d
	where t.rollout_id = $1 and t.agent_id = d.agent_id and t.seq is not null
	returning t.step, t.watch ->> 'domain' as domain
),
freed as (
	select step, sum(n)::int as n, jsonb_object_agg(domain, n) filter (where domain is not null) as domains
	from (select step, domain, count(*)::int as n from waiting where step is not null group by step, domain) d
	group by step
),
counted as (
	update rollout_step s set
		counters = jsonb_set(s.counters, '{inFlight}', to_jsonb((s.counters ->> 'inFlight')::int - w.n))
			|| case when w.domains is null then '{}' else jsonb_build_object('inFlightByDomain', (
				select coalesce(jsonb_object_agg(d.key, d.value::int - coalesce((w.domains ->> d.key)::int, 0)), '{}')
				from jsonb_each_text(s.counters -> 'inFlightByDomain') d
				where d.value::int > coalesce((w.domains ->> d.key)::int, 0)
			)) end
	from freed w
	where s.rollout_id = $1 and s.index = w.step
)
select array(select agent_id from taken) as taken;
