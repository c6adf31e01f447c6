-- Groups in which a connected member waits for the default, or somebody who was given it is watched.
-- $1 how many at most
select g.id
from agent_group g
where exists (select from enrolment e where e.group_id = g.id)
	or g.default_version is not null and exists (
		select from agent a where a.group_id = g.id and a.enrolment_due_at is not null and a.gateway is not null
	)
order by g.id
limit $1;
