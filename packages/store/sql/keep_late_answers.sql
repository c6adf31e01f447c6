-- What agents answered to assignments that are about to be overwritten stays with the targets these belong to (R16).
-- $1 agents whose assignment is written
update rollout_target t set late_answer = s.answer, late_error = s.answer_error
from assignment s
where s.agent_id = any($1::uuid[])
	and t.rollout_id = s.rollout_id
	and t.agent_id = s.agent_id
	and t.seq = s.seq
	and s.answer <> 'none';
