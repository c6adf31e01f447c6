import { type Clock, systemClock } from '@ampora/runtime';

/** Undefined when all is well, otherwise why not, in words for an operator and without secrets. */
export type HealthCheck = () => string | undefined | Promise<string | undefined>;

export interface FailingCheck {
	readonly name: string;
	readonly reason: string;
}

export interface Health {
	/** Names are unique; returns how to remove the check again. */
	addReadinessCheck(name: string, check: HealthCheck): () => void;
	/** Runs all checks at once; empty means ready. Never rejects: a check that throws or takes too long is failing. */
	failingChecks(): Promise<readonly FailingCheck[]>;
}

/** How far a process is, told by whoever starts and stops it. */
export interface ServiceLife {
	serving(): void;
	stopping(): void;
}

export interface HealthOptions {
	readonly clock?: Clock;
	/** A check that takes longer is failing. */
	readonly timeoutMs?: number;
}

export function createHealth({ clock = systemClock, timeoutMs = 2000 }: HealthOptions = {}): Health {
	const checks = new Map<string, HealthCheck>();

	const run = async (name: string, check: HealthCheck): Promise<FailingCheck[]> => {
		const done = new AbortController();
		const late = clock.sleep(timeoutMs, done.signal).then(() => `no answer in ${timeoutMs} ms`);
		const answer = Promise.resolve()
			.then(check)
			.catch((error: unknown) => (error instanceof Error ? error.message : String(error)) || 'failed');
		const reason = await Promise.race([answer, late]);
		done.abort();
		return reason === undefined ? [] : [{ name, reason }];
	};

	return {
		addReadinessCheck(name, check) {
			if (checks.has(name)) throw new Error(`there is already a readiness check "${name}"`);
			checks.set(name, check);
			return () => {
				if (checks.get(name) === check) checks.delete(name);
			};
		},
		async failingChecks() {
			return (await Promise.all([...checks].map(([name, check]) => run(name, check)))).flat();
		},
	};
}

/** The check `service`: failing until everything listens, and again from when it begins to stop. */
export function addServiceCheck(health: Health): ServiceLife {
	let reason: string | undefined = 'starting';
	health.addReadinessCheck('service', () => reason);
	return {
		serving() {
			reason = undefined;
		},
		stopping() {
			reason = 'stopping';
		},
	};
}
