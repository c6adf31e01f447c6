-- What a decision can use of an agent, its gateway and its assignment; as a list, because tens of thousands are read at once.
-- `factsOf` in rollout_rows.ts takes it apart.
CREATE FUNCTION "agent_facts"(in_group boolean, quarantined boolean, a agent, g gateway, s assignment) RETURNS json LANGUAGE sql STABLE AS $$
	select json_build_array(
		in_group,
		a.gateway is not null, g.incarnation = a.gateway_incarnation and g.expires_at > now(), a.disconnect_reason,
		extract(epoch from now() - a.disconnected_at) * 1000,
		a.capabilities, a.healthy, a.health_flips, a.restarts, a.proven_version, quarantined,
		s.seq, s.version_id, s.rollout_id, s.attempt, s.answer, s.answer_error, s.effective, a.session_epoch, s.offered_epoch
	)
$$;
