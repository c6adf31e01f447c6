-- What was found about many agents, and where they belong now, in one statement. An agent that somebody moved meanwhile stays there,
-- and nobody is moved into a group that is deleted or not dynamic any more.
-- $1 lease name, $2 holder, $3 epoch, $4 [{agent_id, found_in, move_to, matches, errors}], $5 work that is done by it,
-- $6 group whose sweep got on, $7 its sweep_seq, $8 up to which agent; null: it is finished
--
-- Whoever comes to a group with a default waits for it from now on, unless a sweep leaves that to a planned rollout: the one this is
-- written for, or one under way of the group it leaves or comes to, whose moves another look may make before it gets there.
with lease as materialized (
	select from leader_lease
	where name = $1 and holder = $2 and epoch = $3::bigint and expires_at > clock_timestamp()
	for share
),
found as materialized (
	select * from json_to_recordset($4::json) as f (agent_id uuid, found_in uuid, move_to uuid, matches uuid[], errors jsonb)
	where exists (select from lease)
),
-- Agents before groups, each by id: the same order everywhere.
held as materialized (
	select a.id, a.group_id from agent a
	where a.id in (select agent_id from found where move_to is not null)
	order by a.id for no key update
),
leaving as materialized (
	select h.id, f.found_in, f.move_to from held h join found f on f.agent_id = h.id where h.group_id = f.found_in
),
concerned as materialized (
	select
		g.id,
		(g.selector is not null or g.built_in) and g.deleted_at is null as open,
		g.default_version is not null as enrols,
		g.sweep is not null and g.sweep_holds as holds
	from agent_group g
	where g.id in (select found_in from leaving union select move_to from leaving)
	order by g.id for no key update
),
holding as materialized (
	select exists (select from agent_group where id = $6::uuid and sweep_holds) as all_of_them
),
moved as (
	update agent a set
		group_id = l.move_to,
		enrolment_due_at = case
			when c.enrols and not (c.holds or o.holds or (select all_of_them from holding)) then clock_timestamp()
		end
	from leaving l join concerned c on c.id = l.move_to join concerned o on o.id = l.found_in
	where a.id = l.id and c.open
	returning a.id, l.found_in, l.move_to
),
groups_written as (
	update agent_group g set
		membership_seq = g.membership_seq
			+ case when g.id in (select found_in from moved union select move_to from moved) then 1 else 0 end,
		sweep = case when g.id = $6::uuid and g.sweep_seq = $7::bigint and $8::uuid is null then null else g.sweep end,
		sweep_after = case when g.id = $6::uuid and g.sweep_seq = $7::bigint then $8::uuid else g.sweep_after end
	where exists (select from lease)
		and (g.id in (select found_in from moved union select move_to from moved) or g.id = $6::uuid and g.sweep_seq = $7::bigint)
),
selections_written as (
	insert into agent_selection as s (agent_id, matches, errors)
	select f.agent_id, f.matches, f.errors from found f join agent a on a.id = f.agent_id
	where f.matches is not null
	order by f.agent_id
	on conflict (agent_id) do update set matches = excluded.matches, errors = excluded.errors
),
work_done as (
	delete from selector_work where id = any($5::bigint[]) and exists (select from lease)
)
select exists (select from lease) as held, (select count(*)::int from moved) as moved;
