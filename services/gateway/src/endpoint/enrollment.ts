import { createHash } from 'node:crypto';
import type { Clock } from '@ampora/runtime';
import { type GatewayStore, StoreUnavailable } from '@ampora/store';
import type { AgentSocket } from '../socket/agent_socket.js';

/** What an agent showed to be let in; one object for all that showed the same. */
export interface Credential {
	/** The Authorization header as it came; null where none is asked for. */
	readonly header: string | null;
	/** Sockets that were opened with it: they are closed when it is revoked (C-112). */
	readonly sockets: Set<AgentSocket>;
}

export type Verdict =
	| { readonly kind: 'accepted'; readonly credential: Credential }
	| { readonly kind: 'refused' }
	/** Nobody can tell now. */
	| { readonly kind: 'unknown' };

interface Known extends Credential {
	readonly tokenHash: Uint8Array;
	valid: boolean;
	checkedAtMs: number;
}

export interface EnrollmentDeps {
	readonly store: Pick<GatewayStore, 'enrollmentTokenValid'>;
	readonly clock: Clock;
	readonly rememberedMax: number;
	/** `open` lets everybody in. */
	readonly mode: 'token' | 'open';
	readonly storeAway: (error: unknown) => void;
}

/** How long a verdict is believed, ms. */
const believedMs = 5_000;
const bearer = /^Bearer +(\S+) *$/i;

/**
 * Checks enrollment tokens. Only hashes are kept and compared, by lookup: the time it takes tells nothing about a token. A socket's
 * token is looked at again every few seconds.
 */
export class Enrollment {
	readonly #known = new Map<string, Known>();
	readonly #asking = new Map<string, Promise<Verdict>>();
	readonly #everybody: Credential = { header: null, sockets: new Set() };

	constructor(private readonly deps: EnrollmentDeps) {}

	check(header: string | undefined): Verdict | Promise<Verdict> {
		if (this.deps.mode === 'open') return { kind: 'accepted', credential: this.#everybody };
		const token = bearer.exec(header ?? '')?.[1];
		if (header === undefined || token === undefined) return { kind: 'refused' };
		const tokenHash = createHash('sha256').update(token).digest();
		const key = tokenHash.toString('base64');
		const known = this.#known.get(key);
		if (known && this.deps.clock.monotonicMs() - known.checkedAtMs < believedMs) return verdictOf(known);
		const asking = this.#asking.get(key) ?? this.#ask(key, known ?? newlyKnown(header, tokenHash));
		this.#asking.set(key, asking);
		return asking;
	}

	/** Asks again about every token a socket is open with; `onRevoked` gets the sockets of those that are not valid any more. */
	async recheck(onRevoked: (socket: AgentSocket) => void): Promise<void> {
		for (const [key, known] of [...this.#known]) {
			if (known.sockets.size === 0) continue;
			const verdict = await this.#ask(key, known);
			if (verdict.kind === 'refused') for (const socket of [...known.sockets]) onRevoked(socket);
		}
	}

	async #ask(key: string, known: Known): Promise<Verdict> {
		try {
			known.valid = await this.deps.store.enrollmentTokenValid(known.tokenHash);
			known.checkedAtMs = this.deps.clock.monotonicMs();
			this.#remember(key, known);
			return verdictOf(known);
		} catch (error) {
			if (!(error instanceof StoreUnavailable)) throw error;
			this.deps.storeAway(error);
			// Agents that were let in before keep being heard while nobody can be asked.
			return this.#known.has(key) ? verdictOf(known) : { kind: 'unknown' };
		} finally {
			this.#asking.delete(key);
		}
	}

	/** Tokens somebody made up are forgotten first: those in use are held by their sockets. */
	#remember(key: string, known: Known): void {
		this.#known.set(key, known);
		if (this.#known.size <= this.deps.rememberedMax) return;
		for (const [oldKey, old] of this.#known) {
			if (old.sockets.size > 0 || oldKey === key) continue;
			this.#known.delete(oldKey);
			return;
		}
	}
}

const newlyKnown = (header: string, tokenHash: Uint8Array): Known => ({
	header,
	tokenHash,
	sockets: new Set(),
	valid: false,
	checkedAtMs: Number.NEGATIVE_INFINITY,
});

const verdictOf = (known: Known): Verdict =>
	known.valid ? { kind: 'accepted', credential: known } : { kind: 'refused' };
