import type { GatewayId } from '@ampora/runtime';
import type {
	Backplane,
	DeliveryOutcome,
	DispatchEnvelope,
	DispatchReply,
	Eviction,
	Hint,
	Subscription,
} from '../ports.js';

type DispatchHandler = (envelope: DispatchEnvelope) => Promise<readonly DeliveryOutcome[]>;

/** The backplane of a single process. Handlers run in a later microtask, never inside the caller's own step. */
export function createMemoryBackplane(): Backplane {
	const dispatchHandlers = new Map<GatewayId, DispatchHandler>();
	const evictionHandlers = new Map<GatewayId, (evictions: readonly Eviction[]) => void>();
	const hintHandlers = new Set<(hint: Hint) => void>();
	return {
		async dispatch(gateway, envelope, timeoutMs): Promise<DispatchReply> {
			await Promise.resolve();
			const handler = dispatchHandlers.get(gateway);
			if (!handler) return { kind: 'lost' };
			return withTimeout(answer(handler, envelope), timeoutMs);
		},
		async serveDispatch(gateway, handler) {
			dispatchHandlers.set(gateway, handler);
			return removal(() => dispatchHandlers.get(gateway) === handler && dispatchHandlers.delete(gateway));
		},
		async evict(gateway, evictions) {
			await Promise.resolve();
			evictionHandlers.get(gateway)?.(evictions);
		},
		async serveEvictions(gateway, handler) {
			evictionHandlers.set(gateway, handler);
			return removal(() => evictionHandlers.get(gateway) === handler && evictionHandlers.delete(gateway));
		},
		async publishHint(hint) {
			await Promise.resolve();
			for (const handler of hintHandlers) handler(hint);
		},
		async serveHints(handler) {
			hintHandlers.add(handler);
			return removal(() => hintHandlers.delete(handler));
		},
		healthy: () => true,
		async close() {},
	};
}

async function answer(handler: DispatchHandler, envelope: DispatchEnvelope): Promise<DispatchReply> {
	try {
		return { kind: 'answered', outcomes: await handler(envelope) };
	} catch {
		return { kind: 'lost' };
	}
}

function withTimeout(reply: Promise<DispatchReply>, timeoutMs: number): Promise<DispatchReply> {
	return new Promise((resolve) => {
		const timer = setTimeout(() => resolve({ kind: 'lost' }), timeoutMs);
		void reply.then((value) => {
			clearTimeout(timer);
			resolve(value);
		});
	});
}

function removal(remove: () => unknown): Subscription {
	return {
		async stop() {
			remove();
		},
	};
}
