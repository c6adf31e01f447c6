-- A rollback began: every touched target is to be taken back, whatever was done about its way back before. The core has counted them.
-- $1 rollout
update rollout_target set back = '{"state": "todo"}'
where rollout_id = $1
	and step is not null
	and state in ('Applying', 'Applied', 'Failed', 'Reverted', 'TimedOut', 'Disconnected');
