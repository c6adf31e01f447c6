-- Everything that changed about many agents, in one statement. Facts of an older session, or older than what is stored, have no
-- effect (D1); answers only move up, and one for an assignment that has moved on is kept with its target (R16).
-- $1 gateway, $2 incarnation, $3 reports, $4 answers: the columns below
with lease as materialized (
	select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp()
),
reports as materialized (
	select * from json_to_recordset($3::json) as r (
		agent_id uuid, session_epoch bigint, fact_seq bigint, sequence_num bigint, capabilities bigint,
		description jsonb, agent_type text, agent_version text, hostname text,
		healthy boolean, health jsonb, flips bigint, restarts bigint, start_time_nanos text,
		reported_hash bytea, reported_status text, reported_error text,
		effective_hash bytea, effective_files jsonb,
		match_seq bigint, match_verdict text, match_detail text,
		disconnected text
	)
),
-- Agents before assignments before targets, each by id: the same order everywhere.
held as materialized (
	select a.* from agent a
	where a.id in (select agent_id from reports) and exists (select from lease)
	order by a.id for no key update
),
mine as materialized (
	select
		r.*,
		h.fact_seq < r.fact_seq as newer,
		h.capabilities as capabilities_before,
		h.healthy as healthy_before,
		h.proven_version,
		h.previous_proven_version
	from reports r join held h on h.id = r.agent_id
	-- The epoch belongs to one session ever; a session that its gateway has still to re-admit is the same one.
	where h.session_epoch = r.session_epoch and (h.gateway = $1 or h.gateway is null and h.last_gateway = $1)
),
accepted as materialized (select * from mine where newer),
answers as materialized (
	select distinct on (n.agent_id, n.seq) n.*
	from json_to_recordset($4::json) as n (agent_id uuid, seq bigint, answer text, rank int, error text, age_ms float8)
	where n.agent_id in (select agent_id from accepted)
	order by n.agent_id, n.seq, n.rank desc
),
wanted as materialized (
	select s.agent_id, s.seq, s.version_id, s.answer, s.effective, s.effective_detail from assignment s
	where s.agent_id in (select agent_id from answers union select agent_id from accepted where match_seq is not null)
	order by s.agent_id for no key update
),
answered as materialized (
	select n.*, w.version_id
	from answers n join wanted w on w.agent_id = n.agent_id and w.seq = n.seq
	where n.rank > case w.answer when 'none' then 0 when 'offered' then 1 when 'applying' then 2 when 'applied' then 3 else 4 end
),
matched as materialized (
	select m.agent_id, m.match_verdict, m.match_detail
	from accepted m join wanted w on w.agent_id = m.agent_id and w.seq = m.match_seq
	where w.effective <> m.match_verdict or w.effective_detail is distinct from m.match_detail
),
assignments_written as (
	update assignment s set
		answer = coalesce(n.answer, s.answer),
		answer_error = case when n.agent_id is null then s.answer_error else n.error end,
		offered_at = case when n.agent_id is null then s.offered_at else coalesce(s.offered_at, clock_timestamp()) end,
		answered_at = case
			when n.rank >= 3 then clock_timestamp() - n.age_ms * interval '1 millisecond'
			else s.answered_at
		end,
		effective = coalesce(m.match_verdict, s.effective),
		effective_detail = case when m.agent_id is null then s.effective_detail else m.match_detail end
	from (select agent_id from answered union select agent_id from matched) changed
	left join answered n on n.agent_id = changed.agent_id
	left join matched m on m.agent_id = changed.agent_id
	where s.agent_id = changed.agent_id
),
late as (
	update rollout_target t set late_answer = n.answer, late_error = n.error
	from answers n left join wanted w on w.agent_id = n.agent_id
	where t.agent_id = n.agent_id
		and t.seq = n.seq
		and w.seq is distinct from n.seq
		and n.rank > case coalesce(t.late_answer, 'none')
			when 'none' then 0 when 'offered' then 1 when 'applying' then 2 when 'applied' then 3 else 4
		end
	returning t.rollout_id, t.agent_id, n.rank
),
-- A version that failed or was reverted proves nothing any more; then what was applied now is the last one proven.
unproven as materialized (
	select m.agent_id, v.proven, v.previous
	from accepted m
	cross join lateral (
		select exists (
			select from late l join rollout r on r.id = l.rollout_id
			where l.agent_id = m.agent_id and l.rank = 4 and r.version_id = m.proven_version
			union all
			select from answered n where n.agent_id = m.agent_id and n.rank = 4 and n.version_id = m.proven_version
		) as lost
	) u
	cross join lateral (
		select
			case when u.lost then m.previous_proven_version else m.proven_version end as proven,
			case when u.lost then null else m.previous_proven_version end as previous
	) v
),
proven as materialized (
	select
		u.agent_id,
		case when n.agent_id is null then u.proven else n.version_id end as proven,
		case when n.agent_id is null or n.version_id = u.proven then u.previous else u.proven end as previous
	from unproven u
	left join answered n on n.agent_id = u.agent_id and n.rank = 3 and n.version_id is not null
),
agents_written as (
	update agent a set
		fact_seq = m.fact_seq,
		sequence_num = m.sequence_num,
		capabilities = coalesce(m.capabilities, a.capabilities),
		description = coalesce(m.description, a.description),
		agent_type = case when m.description is null then a.agent_type else m.agent_type end,
		agent_version = case when m.description is null then a.agent_version else m.agent_version end,
		hostname = case when m.description is null then a.hostname else m.hostname end,
		healthy = coalesce(m.healthy, a.healthy),
		health = case when m.healthy is null then a.health else m.health end,
		health_flips = a.health_flips + coalesce(m.flips, 0),
		restarts = a.restarts + coalesce(m.restarts, 0),
		start_time_nanos = coalesce(m.start_time_nanos, a.start_time_nanos),
		reported_hash = case when m.reported_status is null then a.reported_hash else m.reported_hash end,
		reported_status = coalesce(m.reported_status, a.reported_status),
		reported_error = case when m.reported_status is null then a.reported_error else m.reported_error end,
		proven_version = p.proven,
		previous_proven_version = p.previous,
		gateway = case when m.disconnected is null then a.gateway end,
		gateway_incarnation = case when m.disconnected is null then a.gateway_incarnation end,
		last_gateway = case when m.disconnected is null then a.last_gateway else $1 end,
		disconnected_at = case when m.disconnected is null then a.disconnected_at else clock_timestamp() end,
		disconnect_reason = coalesce(m.disconnected, a.disconnect_reason),
		last_seen_at = clock_timestamp()
	from accepted m join proven p on p.agent_id = m.agent_id
	where a.id = m.agent_id
),
configs_written as (
	insert into agent_effective_config (agent_id, hash, files, received_at)
	select m.agent_id, m.effective_hash, m.effective_files, clock_timestamp()
	from accepted m where m.effective_hash is not null
	on conflict (agent_id) do update set
		hash = excluded.hash, files = excluded.files, received_at = excluded.received_at
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from (
		select agent_id from answered
		union select agent_id from matched
		union select agent_id from late
		union select agent_id from accepted
		where disconnected is not null
			or flips > 0
			or restarts > 0
			or capabilities <> capabilities_before
			or healthy is distinct from healthy_before and healthy is not null
	) touched
	join watched_target t on t.agent_id = touched.agent_id
	returning rollout_id
)
select
	exists (select from lease) as live,
	array(select agent_id from reports except select agent_id from mine) as refused,
	array(select distinct rollout_id from signals) as touched;
