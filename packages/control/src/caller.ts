import type { Role } from '@ampora/api-contract';
import { ok, type Result } from '@ampora/runtime';
import { type ControlError, refuse } from './errors.js';

/** Who asks, and in which trace. Made by `authenticate`; transports add nothing of their own. */
export interface Caller {
	/** `token:<name>` */
	readonly actor: string;
	readonly role: Role;
	readonly sourceAddress: string | null;
	/** W3C; null: the change starts a trace of its own further on. */
	readonly traceparent: string | null;
	/** Creating a rollout or a command twice with one key does it once (R11). */
	readonly idempotencyKey: string | null;
}

/** What a transport knows of a request before anybody looked at its token. */
export type Origin = Omit<Caller, 'actor' | 'role'>;

const ranks: Record<Role, number> = { Viewer: 0, Operator: 1, Admin: 2 };

export function authorise(caller: Caller, least: Role): Result<null, ControlError> {
	if (ranks[caller.role] >= ranks[least]) return ok(null);
	const message = `this needs the role ${least}; ${caller.actor} is ${caller.role}`;
	return refuse('forbidden', message, { details: { needed: least, role: caller.role } });
}
