import type { Schedule } from './schedule.js';
import type { SimProcess } from './sim_process.js';

/** What becomes of one call to a server outside the process. */
export interface CallFate {
	/** How long the request and the answer are under way, ms. */
	readonly thereMs: number;
	readonly backMs: number;
	/** `lost`: carried out, and the caller is told that the server is away. `away`: not carried out. */
	readonly kind: 'answered' | 'lost' | 'away';
	/** The process dies at this await: before the request leaves, or after it was carried out. */
	readonly dies: 'before' | 'after' | null;
}

export interface RemoteDeps {
	readonly schedule: Schedule;
	readonly process: SimProcess;
	fate(method: string): CallFate;
	/** What the caller gets when the server is away. */
	unavailable(): Error;
	/** Called at the instant the call takes effect, and when it answered. */
	onCall(method: string, args: readonly unknown[]): void;
	onAnswer(method: string, args: readonly unknown[], answer: unknown): void;
}

type Method = (...args: readonly unknown[]) => Promise<unknown>;

/** A port as a process sees it: every call takes time, may fail, may take effect and seem to fail, and may be the last thing it did. */
export function remote<Port extends object>(port: Port, deps: RemoteDeps): Port {
	const remoteMethods = new Map<string, unknown>();
	return new Proxy(port, {
		get(_, name: string) {
			let method = remoteMethods.get(name);
			if (method === undefined) {
				const local: unknown = Reflect.get(port, name);
				if (typeof local !== 'function') return local;
				method = (...args: unknown[]) => call(local.bind(port) as Method, name, args, deps);
				remoteMethods.set(name, method);
			}
			return method;
		},
	});
}

function call(
	method: Method,
	name: string,
	args: readonly unknown[],
	{ schedule, process, fate, unavailable, onCall, onAnswer }: RemoteDeps,
): Promise<unknown> {
	const { kind, thereMs, backMs, dies } = fate(name);
	return new Promise((resolve, reject) => {
		if (dies === 'before') {
			schedule.after(0, null, () => process.kill());
			return;
		}
		const answer = (settle: () => void) => {
			if (dies === 'after') process.kill();
			else schedule.after(backMs, process, settle);
		};
		// The request is on its way: that its sender dies meanwhile does not call it back.
		schedule.after(thereMs, null, () => {
			if (kind === 'away') return answer(() => reject(unavailable()));
			onCall(name, args);
			method(...args).then(
				(value) => {
					onAnswer(name, args, value);
					answer(() => (kind === 'lost' ? reject(unavailable()) : resolve(value)));
				},
				(error) => answer(() => reject(error)),
			);
		});
	});
}
