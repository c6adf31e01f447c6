import type { AgentId } from '@ampora/runtime';
import { cataloguesMax } from '../catalogues.js';
import type { CatalogueClaim, CatalogueComponents } from '../ports.js';
import { copy, type MemoryAgent, type MemoryState, sameBytes } from './state.js';

type Session = { readonly agentId: AgentId; readonly sessionEpoch: number };

const minuteMs = 60_000;

export const catalogueKey = ({ description, componentsHash }: MemoryAgent): string =>
	JSON.stringify([
		description?.agentType ?? '',
		description?.agentVersion ?? '',
		Buffer.from(componentsHash ?? []).toString('hex'),
	]);

function present(state: MemoryState, { agentId, sessionEpoch }: Session): MemoryAgent | undefined {
	const agent = state.agents.get(agentId);
	return agent?.sessionEpoch === sessionEpoch && agent.componentsHash !== null ? agent : undefined;
}

function claim(state: MemoryState, agent: MemoryAgent): CatalogueClaim {
	const key = catalogueKey(agent);
	const known = state.catalogues.get(key);
	if (known?.components) return 'known';
	if (known === undefined && state.catalogues.size >= cataloguesMax) return 'wait';
	if (known?.asked && !lapsed(state, known.asked, known.asks)) return 'wait';
	const asked = { agentId: agent.id, epoch: agent.sessionEpoch, atMs: state.nowMs() };
	state.catalogues.set(key, { components: null, asked, asks: (known?.asks ?? 0) + 1 });
	return 'ask';
}

function lapsed(state: MemoryState, asked: { agentId: AgentId; epoch: number; atMs: number }, asks: number): boolean {
	const agent = state.agents.get(asked.agentId);
	const connected = agent?.sessionEpoch === asked.epoch && agent.gateway !== null;
	return !connected || asked.atMs < state.nowMs() - 2 ** Math.min(asks, 6) * minuteMs;
}

/** What no agent names any more. */
function forgotten(state: MemoryState): readonly string[] {
	if (state.catalogues.size < cataloguesMax) return [];
	const named = new Set([...state.agents.values()].map(catalogueKey));
	return [...state.catalogues.keys()].filter((key) => !named.has(key));
}

export const catalogueMoves = (state: MemoryState) => ({
	claimCatalogues(sessions: readonly Session[]) {
		const gone = forgotten(state);
		const claims = sessions
			.toSorted((a, b) => (a.agentId < b.agentId ? -1 : 1))
			.flatMap((session) => {
				const agent = present(state, session);
				return agent ? [{ agentId: agent.id, claim: claim(state, agent) }] : [];
			});
		for (const key of gone) state.catalogues.delete(key);
		return claims;
	},
	saveCatalogue(session: Session, hash: Uint8Array, components: CatalogueComponents): void {
		const agent = present(state, session);
		if (!agent || !sameBytes(agent.componentsHash, hash)) return;
		const key = catalogueKey(agent);
		const known = state.catalogues.get(key);
		if (known?.components || (known === undefined && state.catalogues.size >= cataloguesMax)) return;
		state.catalogues.set(key, { asked: null, asks: 0, ...known, components: copy(components) });
		for (const other of state.agents.values())
			if (other.componentsHash !== null && catalogueKey(other) === key) state.addSelectorWork(other.id, ['components']);
	},
});
