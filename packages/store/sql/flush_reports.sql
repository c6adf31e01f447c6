-- Everything that changed about many agents, in one statement. Facts of an older session, or older than what is stored, have no
-- effect (D1); answers only move up, and one for an assignment that has moved on is kept with its target (R16).
-- $1 gateway, $2 incarnation, $3 reports: the columns below, $4 answers to earlier assignments than the one in the report
--
-- The planner knows nothing of the sizes of these lists: they are joined on one column only and carry verdicts as booleans, since
-- anything more selective makes it expect one row and compare each with each.
with lease as materialized (
	select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp()
),
reports as materialized (
	select * from json_to_recordset($3::json) as r (
		agent_id uuid, session_epoch bigint, fact_seq bigint, sequence_num bigint, capabilities bigint,
		description jsonb, agent_type text, agent_version text, hostname text,
		healthy boolean, health jsonb, flips bigint, restarts bigint, start_time_nanos text,
		reported_hash bytea, reported_status text, reported_error text,
		effective_hash bytea, effective_files jsonb, components_hash bytea,
		match_seq bigint, match_verdict text, match_detail text,
		seq bigint, answer text, rank int, error text, age_ms float8,
		disconnected text
	)
),
-- Agents before assignments before targets, each by id: the same order everywhere.
held as materialized (
	select
		a.id, a.session_epoch, a.fact_seq, a.gateway, a.last_gateway, a.capabilities, a.healthy,
		a.proven_version, a.previous_proven_version, a.description, a.agent_type, a.agent_version, a.components_hash, a.identity
	from agent a
	where a.id in (select agent_id from reports) and exists (select from lease)
	order by a.id for no key update
),
facts as materialized (
	select
		r.*,
		-- The epoch belongs to one session ever; a session that its gateway has still to re-admit is the same one.
		coalesce(h.session_epoch = r.session_epoch and (h.gateway = $1 or h.gateway is null and h.last_gateway = $1), false) as mine,
		coalesce(
			h.session_epoch = r.session_epoch and (h.gateway = $1 or h.gateway is null and h.last_gateway = $1)
				and h.fact_seq < r.fact_seq,
			false
		) as fresh,
		r.capabilities <> h.capabilities or r.flips > 0 or r.restarts > 0 or r.disconnected is not null
			or r.healthy is not null and r.healthy is distinct from h.healthy as moved,
		h.proven_version,
		h.previous_proven_version
	from reports r left join held h on h.id = r.agent_id
),
-- Agents that are others than they were by what they say of themselves now. One that was never assigned anything may turn out to be
-- an older one that came back.
identified as materialized (
	select
		f.agent_id,
		i.identity,
		case when not exists (select from assignment s where s.agent_id = f.agent_id)
			then (select (array_agg(o.id order by o.id))[1] from agent o where o.identity = i.identity and o.id < f.agent_id)
		end as heir_of
	from facts f
	join held h on h.id = f.agent_id
	cross join lateral (select agent_identity(f.description) as identity) i
	where f.fresh and f.description is not null and i.identity is distinct from h.identity
),
inherited as (
	insert into quarantine (agent_id, version_id, reason, at)
	select i.agent_id, q.version_id, q.reason, q.at from identified i join quarantine q on q.agent_id = i.heir_of
	on conflict (agent_id, version_id) do nothing
),
wanted as materialized (
	select s.agent_id, s.seq, s.version_id, s.answer, s.effective, s.effective_detail from assignment s
	where s.agent_id in (select agent_id from facts where fresh and coalesce(seq, match_seq) is not null)
	order by s.agent_id for no key update
),
late as (
	update rollout_target t set late_answer = n.answer, late_error = n.error
	from (
		select agent_id, seq, answer, rank, error from facts
		where fresh and not coalesce((agent_id, seq) in (select agent_id, seq from wanted), true)
		union all
		select * from json_to_recordset($4::json) as e (agent_id uuid, seq bigint, answer text, rank int, error text)
		where agent_id in (select agent_id from facts where fresh)
	) n
	where t.agent_id = n.agent_id
		and t.seq = n.seq
		and n.rank > case coalesce(t.late_answer, 'none')
			when 'none' then 0 when 'offered' then 1 when 'applying' then 2 when 'applied' then 3 else 4
		end
	returning t.rollout_id, t.agent_id, n.rank
),
judged as materialized (
	select
		f.*,
		w.version_id,
		coalesce(
			f.fresh and w.seq = f.seq
				and f.rank > case w.answer when 'none' then 0 when 'offered' then 1 when 'applying' then 2 when 'applied' then 3 else 4 end,
			false
		) as answered,
		coalesce(
			f.fresh and w.seq = f.match_seq
				and (w.effective <> f.match_verdict or w.effective_detail is distinct from f.match_detail),
			false
		) as matched,
		-- A version that failed or was reverted proves nothing any more.
		coalesce(
			(f.agent_id, f.proven_version) in (
				select l.agent_id, r.version_id from late l join rollout r on r.id = l.rollout_id where l.rank = 4
			) or f.rank = 4 and w.seq = f.seq and w.version_id = f.proven_version,
			false
		) as unproven
	from facts f left join wanted w on w.agent_id = f.agent_id
),
assignments_written as (
	update assignment s set
		answer = case when j.answered then j.answer else s.answer end,
		answer_error = case when j.answered then j.error else s.answer_error end,
		offered_at = case when j.answered then coalesce(s.offered_at, clock_timestamp()) else s.offered_at end,
		answered_at = case
			when j.answered and j.rank >= 3 then clock_timestamp() - j.age_ms * interval '1 millisecond'
			else s.answered_at
		end,
		effective = case when j.matched then j.match_verdict else s.effective end,
		effective_detail = case when j.matched then j.match_detail else s.effective_detail end
	from judged j
	where s.agent_id = j.agent_id and (j.answered or j.matched)
),
agents_written as (
	update agent a set
		fact_seq = j.fact_seq,
		sequence_num = j.sequence_num,
		capabilities = coalesce(j.capabilities, a.capabilities),
		description = coalesce(j.description, a.description),
		agent_type = case when j.description is null then a.agent_type else j.agent_type end,
		agent_version = case when j.description is null then a.agent_version else j.agent_version end,
		hostname = case when j.description is null then a.hostname else j.hostname end,
		healthy = coalesce(j.healthy, a.healthy),
		health = case when j.healthy is null then a.health else j.health end,
		health_flips = a.health_flips + coalesce(j.flips, 0),
		restarts = a.restarts + coalesce(j.restarts, 0),
		start_time_nanos = coalesce(j.start_time_nanos, a.start_time_nanos),
		reported_hash = case when j.reported_status is null then a.reported_hash else j.reported_hash end,
		reported_status = coalesce(j.reported_status, a.reported_status),
		reported_error = case when j.reported_status is null then a.reported_error else j.reported_error end,
		components_hash = coalesce(j.components_hash, a.components_hash),
		identity = case when i.agent_id is null then a.identity else i.identity end,
		heir_of = case when i.agent_id is null then a.heir_of else i.heir_of end,
		proven_version = p.proven,
		previous_proven_version = p.previous,
		gateway = case when j.disconnected is null then a.gateway end,
		gateway_incarnation = case when j.disconnected is null then a.gateway_incarnation end,
		last_gateway = case when j.disconnected is null then a.last_gateway else $1 end,
		disconnected_at = case when j.disconnected is null then a.disconnected_at else clock_timestamp() end,
		disconnect_reason = coalesce(j.disconnected, a.disconnect_reason),
		last_seen_at = clock_timestamp()
	from judged j
	left join identified i on i.agent_id = j.agent_id
	cross join lateral (
		select
			case when j.unproven then j.previous_proven_version else j.proven_version end as version,
			case when j.unproven then null else j.previous_proven_version end as before
	) k
	-- What was applied now is the last one proven.
	cross join lateral (
		select
			case when applied then j.version_id else k.version end as proven,
			case when applied and j.version_id is distinct from k.version then k.version else k.before end as previous
		from (select j.answered and j.rank = 3 and j.version_id is not null as applied) x
	) p
	where a.id = j.agent_id and j.fresh
),
configs_written as (
	insert into agent_effective_config (agent_id, hash, files, received_at)
	select agent_id, effective_hash, effective_files, clock_timestamp()
	from facts where fresh and effective_hash is not null
	order by agent_id
	on conflict (agent_id) do update set
		hash = excluded.hash, files = excluded.files, received_at = excluded.received_at
),
-- What selectors may read and is another than before.
selector_work_written as (
	insert into selector_work (agent_id, changed)
	select c.id, c.changed
	from (
		select
			h.id,
			case when r.description is null then '{}' else array(
				select 'attribute:' || coalesce(o.key, n.key)
				from jsonb_each(coalesce(h.description -> 'nonIdentifying', '{}') || coalesce(h.description -> 'identifying', '{}')) o
				full join jsonb_each(coalesce(r.description -> 'nonIdentifying', '{}') || coalesce(r.description -> 'identifying', '{}')) n
					on n.key = o.key
				where o.value is distinct from n.value
			) end
			|| case when r.description is not null and r.agent_type is distinct from h.agent_type then array['type', 'components'] else '{}' end
			|| case when r.description is not null and r.agent_version is distinct from h.agent_version then array['version', 'components'] else '{}' end
			-- Also of one that says nothing of itself: it has described itself, and belongs somewhere.
			|| case when r.description is not null and h.description is null then array['attributes'] else '{}' end
			|| case when r.capabilities <> h.capabilities then array['capabilities'] else '{}' end
			|| case when r.components_hash <> coalesce(h.components_hash, '') then array['components'] else '{}' end
			as changed
		from facts r join held h on h.id = r.agent_id
		where r.fresh and (r.description is not null or r.capabilities is not null or r.components_hash is not null)
	) c
	where c.changed <> '{}'
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from judged j join watched_target t on t.agent_id = j.agent_id
	where j.fresh and (j.answered or j.matched or j.moved or j.agent_id in (select agent_id from late))
	returning rollout_id
)
select
	exists (select from lease) as live,
	array(select agent_id from facts where not mine) as refused,
	array(select distinct rollout_id from signals) as touched;
