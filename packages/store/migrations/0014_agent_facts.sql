-- What a decision can use of an agent, its gateway and its assignment; as a list, because tens of thousands are read at once.
-- `v` is the version it is assigned, `w` the one it is to have: versions without a semantic hash are the same by their ids alone.
-- `factsOf` in rollout_rows.ts takes it apart.
CREATE FUNCTION "agent_facts"(
	in_group boolean, quarantined boolean, a agent, g gateway, s assignment, v configuration_version, w configuration_version
) RETURNS json LANGUAGE sql STABLE AS $$
	select json_build_array(
		in_group,
		a.gateway is not null, g.incarnation = a.gateway_incarnation and g.expires_at > now(), a.disconnect_reason,
		extract(epoch from now() - a.disconnected_at) * 1000,
		a.capabilities, a.healthy, a.health_flips, a.restarts, a.proven_version, quarantined,
		s.seq, s.version_id, s.rollout_id, s.attempt, s.answer, s.answer_error, s.effective, a.session_epoch, s.offered_epoch,
		coalesce(v.semantic_hash = w.semantic_hash, v.id = w.id)
	)
$$;
