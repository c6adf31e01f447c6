-- Gives agents the uids of those whose place they are; the next session under that uid is theirs.
-- $1 [{agent_id, instance_uid, former_uids, session_epoch}]
with heirs as materialized (
	select * from json_to_recordset($1::json) as h (agent_id uuid, instance_uid uuid, former_uids uuid[], session_epoch bigint)
),
seated as (
	update agent a set
		instance_uid = h.instance_uid,
		former_uids = h.former_uids,
		earlier_uids = e.uids[greatest(1, cardinality(e.uids) - 19):],
		-- What the process before still has to say is not heard any more (D1).
		session_epoch = greatest(a.session_epoch, h.session_epoch) + 1,
		sequence_num = null,
		reported_hash = null,
		reported_status = null,
		reported_error = null
	from heirs h join agent b on b.id = h.agent_id
	cross join lateral (select b.earlier_uids || b.former_uids || b.instance_uid as uids) e
	where a.id = h.agent_id
	returning a.id, b.instance_uid as before, a.instance_uid as after
)
insert into audit_event (actor, role, action, entity_type, entity_id, before, after)
select
	'ampora', 'gateway', 'Agent.PlaceTaken', 'agent', s.id::text,
	jsonb_build_object('instanceUid', s.before), jsonb_build_object('instanceUid', s.after)
from seated s;
