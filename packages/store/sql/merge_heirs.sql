-- Agents that came while an older one of the same identity still had a session, and whose turn it is now that it has none: their rows
-- go, and so their uids are free for the older ones. None that was ever assigned anything. The caller holds the rows.
-- $1 gateway, $2 incarnation, $3 the agents that are held
with heirs as materialized (
	select distinct on (o.id)
		n.id as heir, n.instance_uid, n.former_uids, n.session_epoch, n.group_id, o.id as agent_id
	from agent n join agent o on o.id = n.heir_of
	where n.id = any($3::uuid[]) and o.id = any($3::uuid[])
		and n.gateway = $1 and n.gateway_incarnation = $2::bigint and n.identity = o.identity
		and o.gateway is null and o.disconnect_reason in ('goodbye', 'lost')
		and not exists (select from assignment s where s.agent_id = n.id)
		and exists (select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp())
	order by o.id, n.id
),
left_groups as (
	update agent_group set membership_seq = membership_seq + 1 where id in (select group_id from heirs)
),
forgotten as (
	delete from selector_work where agent_id in (select heir from heirs)
),
gone as (
	delete from agent where id in (select heir from heirs)
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from heirs h join watched_target t on t.agent_id in (h.heir, h.agent_id)
)
select heir, instance_uid, former_uids, session_epoch, agent_id from heirs;
