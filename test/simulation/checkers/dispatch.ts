import { isDeepStrictEqual } from 'node:util';
import { dispatchChunkMax } from '@ampora/dispatch';
import type { AgentId, RolloutId } from '@ampora/runtime';
import type { Check } from './observation.js';

/** A permission to send is good for so long, ms. */
const permissionMs = 1_000;
/** Rounding of virtual time. */
const graceMs = 1;

/** Facts and offers of an epoch that is not the agent's have no effect. */
export const D1: Check = (seen, { db }) => {
	if (seen.kind === 'flushed') {
		for (const report of seen.reports) {
			const before = seen.agentsBefore.get(report.agentId);
			const own = before?.gateway === null || before?.gateway === seen.lease.gateway;
			if (!before || (before.sessionEpoch === report.sessionEpoch && own)) continue;
			// The present session may have a report of its own in the same batch.
			if (seen.reports.some((other) => other.agentId === report.agentId && other.sessionEpoch === before.sessionEpoch))
				continue;
			if (!isDeepStrictEqual(db.agent(report.agentId), before))
				return `facts of epoch ${report.sessionEpoch} changed an agent at epoch ${before.sessionEpoch}`;
			if (!isDeepStrictEqual(db.assignment(report.agentId), seen.assignmentsBefore.get(report.agentId) ?? null))
				return `an answer of epoch ${report.sessionEpoch} counted at epoch ${before.sessionEpoch}`;
		}
	}
	if (seen.kind === 'claimed') {
		for (const [at, decision] of seen.decisions.entries()) {
			const agent = 'offer' in decision ? db.agent(decision.offer.agentId) : null;
			if (agent && (agent.sessionEpoch !== seen.requests[at]?.sessionEpoch || agent.gateway !== seen.lease.gateway))
				return `an offer was permitted to epoch ${seen.requests[at]?.sessionEpoch}, the agent is at ${agent.sessionEpoch}`;
		}
	}
	return null;
};

/** Every config written to a socket is that of a row which was current at most a second ago. */
export const D2: Check = (seen, { history, nowMs }) => {
	if (seen.kind !== 'written') return null;
	const { hash, seq } = seen.offer;
	if (seq === null) return `hash ${hash.slice(0, 8)} was sent without a permission`;
	const row = history.withSeq(seen.agentId, seq);
	if (row === null || row.offeredHash !== hash) return `hash ${hash.slice(0, 8)} is not that of seq ${seq}`;
	const staleMs = nowMs - row.untilMs;
	return staleMs > permissionMs + graceMs
		? `seq ${seq} was sent ${Math.round(staleMs)} ms after it was replaced`
		: null;
};

/** What one agent is handed never goes back to an older seq, over all connections. */
export const D3 = (): Check => {
	const delivered = new Map<AgentId, number>();
	return (seen) => {
		if (seen.kind !== 'delivered' || seen.offer.seq === null) return null;
		const last = delivered.get(seen.agentId) ?? 0;
		delivered.set(seen.agentId, Math.max(last, seen.offer.seq));
		return seen.offer.seq < last ? `seq ${seen.offer.seq} was delivered after ${last}` : null;
	};
};

/** A release takes out its own claim only. */
export const D4: Check = (seen) => {
	if (seen.kind !== 'released') return null;
	const released = new Map(seen.claims.map((claim) => [claim.agentId, claim]));
	for (const [agentId, held] of seen.before) {
		const claim = released.get(agentId);
		const same = claim?.gateway === held.gateway && claim.sessionEpoch === held.sessionEpoch;
		if (!same && !seen.after.has(agentId))
			return `the release of epoch ${claim?.sessionEpoch} removed the claim of epoch ${held.sessionEpoch}`;
	}
	return null;
};

/** Only a gateway's own expired lease, or a later life of it, lets the leader mark its agents. */
export const D5: Check = (seen, { db }) => {
	if (seen.kind !== 'reaped') return null;
	for (const [agentId, before] of seen.agentsBefore) {
		const after = db.agent(agentId);
		if (before.gateway === null || after?.gateway !== null) continue;
		const row = db.gateway(before.gateway);
		const lives = row && row.incarnation === before.gatewayIncarnation && row.expiresAtMs > db.nowMs();
		if (lives) return `an agent of ${before.gateway} was marked disconnected while that gateway lives`;
	}
	return null;
};

const outcomes = ['offered', 'not-mine', 'not-capable', 'queue-full', 'nothing-to-offer'];

/** Envelopes are bounded, and each agent in one gets one of the known answers. */
export const D6: Check = (seen) => {
	if (seen.kind !== 'dispatched') return null;
	const { envelope, outcomes: got } = seen;
	if (envelope.agentIds.length > dispatchChunkMax) return `an envelope of ${envelope.agentIds.length} agents`;
	if (got === null) return null;
	if (got.length !== envelope.agentIds.length) return `${got.length} outcomes for ${envelope.agentIds.length} agents`;
	const odd = got.find((outcome) => !outcomes.includes(outcome));
	return odd === undefined ? null : `outcome ${odd}`;
};

/** Nobody who leads leaves a rollout waiting for longer, whatever the others are up to, virtual ms. */
const attentionMs = 15_000;

/** In calm times every rollout that has something to do gets its look: none is held up by another, or by an agent or gateway of its. */
export const D7 = (): Check => {
	const waiting = new Map<RolloutId, number>();
	return (seen, { db, nowMs, calmSinceMs }) => {
		if (seen.kind === 'committed') waiting.delete(seen.loaded.snapshot.rollout.id);
		if (seen.kind !== 'looked') return null;
		const due = new Set(db.due());
		for (const id of waiting.keys()) if (!due.has(id) || calmSinceMs === null) waiting.delete(id);
		if (calmSinceMs === null) return null;
		for (const id of due) {
			const sinceMs = waiting.get(id) ?? nowMs;
			waiting.set(id, sinceMs);
			if (nowMs - sinceMs > attentionMs) return `a rollout waited ${Math.round(nowMs - sinceMs)} ms for a look`;
		}
		return null;
	};
};
