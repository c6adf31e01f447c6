// An agent made of opamp-go's client (go/driver), scripted from a test. Messages are in the protobuf JSON mapping: bytes as
// base64, 64-bit numbers as text.
import type { InteropBinaries } from './build.mjs';
import { type LineChild, startLines } from './child.js';
import { Transcript } from './transcript.js';

export interface ConfigFileJson {
	readonly body?: string;
	readonly contentType?: string;
}

export interface RemoteConfigJson {
	readonly configHash?: string;
	readonly config?: { readonly configMap?: Readonly<Record<string, ConfigFileJson>> };
}

/** A callback of the client. `message` carries only what the server's message had for the agent to process. */
export type DriverEvent =
	| { readonly event: 'connect' }
	| { readonly event: 'connectFailed'; readonly error: string }
	| { readonly event: 'error'; readonly message: { readonly type?: string; readonly errorMessage?: string } }
	| {
			readonly event: 'message';
			readonly remoteConfig?: RemoteConfigJson;
			readonly agentIdentification?: { readonly newInstanceUid: string };
			readonly customCapabilities?: { readonly capabilities?: readonly string[] };
			readonly customMessage?: { readonly capability?: string; readonly type?: string; readonly data?: string };
			readonly ownMetrics?: object;
			readonly ownTraces?: object;
			readonly ownLogs?: object;
			readonly packagesAvailable?: object;
	  }
	| {
			readonly event: 'opampConnectionSettings' | 'connectionSettings' | 'saveRemoteConfigStatus';
			readonly message: object;
	  }
	| { readonly event: 'command'; readonly message: { readonly type?: string } }
	| { readonly event: 'log'; readonly level: 'debug' | 'error'; readonly text: string }
	/** Something went wrong inside the driver itself. */
	| { readonly event: 'fault'; readonly error: string };

export type EventKind = DriverEvent['event'];
export type EventOf<K extends EventKind> = Extract<DriverEvent, { event: K }>;

export interface DriverStart {
	/** ws, wss, http or https. */
	readonly url: string;
	/** UUID text. */
	readonly instanceUid: string;
	/** OpAMP's AgentCapabilities; ReportsStatus is always added. */
	readonly capabilities: bigint;
	readonly headers?: Readonly<Record<string, string>>;
	/** At least one attribute; the client insists. */
	readonly identifying: Readonly<Record<string, string>>;
	readonly nonIdentifying?: Readonly<Record<string, string>>;
	readonly health?: object;
	readonly remoteConfigStatus?: object;
	readonly customCapabilities?: { readonly capabilities: readonly string[] };
	readonly availableComponents?: object;
	readonly flags?: bigint;
	/** Of a WebSocket: heartbeat; of HTTP: poll. The client's default is 30 s. Counts only with ReportsHeartbeat. */
	readonly heartbeatMs?: number;
	readonly compression?: boolean;
	readonly caPem?: string;
}

/** What the agent does when it is handed a configuration. `hold` leaves the answer to the test. */
export type DriverAnswer =
	| { readonly mode: 'apply'; readonly delayMs?: number; readonly skipApplying?: boolean }
	| { readonly mode: 'fail'; readonly error: string; readonly delayMs?: number; readonly skipApplying?: boolean }
	| { readonly mode: 'hold' };

/** What each verb sets, in protobuf JSON. */
export type DriverVerb =
	| 'description'
	| 'health'
	| 'effective'
	| 'status'
	| 'customCapabilities'
	| 'customMessage'
	| 'availableComponents'
	| 'connectionSettingsRequest';

interface Reply {
	readonly event: 'reply';
	readonly id: number;
	readonly error?: string;
}

export class Driver {
	readonly #child: LineChild;
	readonly #replies = new Map<number, (reply: Reply) => void>();
	readonly #events = new Transcript<DriverEvent>();
	#nextId = 1;
	#ended: Error | undefined;

	constructor(child: LineChild) {
		this.#child = child;
		void this.#read();
	}

	/** Every callback so far. */
	get events(): readonly DriverEvent[] {
		return this.#events.said;
	}

	/** The oldest event of this kind nobody has taken yet, now or to come. */
	async take<K extends EventKind>(
		kind: K,
		where: (event: EventOf<K>) => boolean = () => true,
		timeoutMs?: number,
	): Promise<EventOf<K>> {
		const wanted = (event: DriverEvent) => event.event === kind && where(event as EventOf<K>);
		return (await this.#events.take(wanted, `event "${kind}"`, timeoutMs)) as EventOf<K>;
	}

	/** The next configuration offered: its hash in hex and its files as text. */
	async takeConfig(timeoutMs?: number): Promise<{ hash: string; files: Record<string, string> }> {
		const { remoteConfig } = await this.take('message', (event) => event.remoteConfig !== undefined, timeoutMs);
		const files = Object.entries(remoteConfig?.config?.configMap ?? {});
		return {
			hash: Buffer.from(remoteConfig?.configHash ?? '', 'base64').toString('hex'),
			files: Object.fromEntries(
				files.map(([name, { body = '' }]) => [name, Buffer.from(body, 'base64').toString('utf8')]),
			),
		};
	}

	/** Starts a client; after `stop` again, which is then a new client: sequence numbers begin anew. */
	async connect({ capabilities, flags = 0n, identifying, nonIdentifying = {}, ...rest }: DriverStart): Promise<void> {
		const description = {
			identifyingAttributes: attributes(identifying),
			nonIdentifyingAttributes: attributes(nonIdentifying),
		};
		const bits = { capabilities: `${capabilities}`, flags: `${flags}` };
		await this.#perform({ do: 'start', start: { ...rest, ...bits, description } });
	}

	/** Says goodbye over a WebSocket; the process stays. */
	stop(): Promise<void> {
		return this.#perform({ do: 'stop' });
	}

	/** The default is to apply at once. */
	answerConfigs(answer: DriverAnswer): Promise<void> {
		return this.#perform({ do: 'answer', answer });
	}

	set(verb: DriverVerb, message: object): Promise<void> {
		return this.#perform({ do: verb, message });
	}

	/** Reports these files as what the agent runs; before `connect` they go with the first report. */
	setEffectiveConfig(files: Readonly<Record<string, string>>): Promise<void> {
		const configMap = Object.entries(files).map(([name, text]) => [
			name,
			{ body: Buffer.from(text).toString('base64') },
		]);
		return this.set('effective', { configMap: { configMap: Object.fromEntries(configMap) } });
	}

	setCapabilities(bits: bigint): Promise<void> {
		return this.#perform({ do: 'capabilities', value: `${bits}` });
	}

	setFlags(bits: bigint): Promise<void> {
		return this.#perform({ do: 'flags', value: `${bits}` });
	}

	/** Drops off the network without a goodbye. */
	async kill(): Promise<void> {
		this.#child.signal('SIGKILL');
		await this.close();
	}

	/** Stops the client and the process. Safe to call twice. */
	async close(): Promise<void> {
		await this.#child.leave(15_000);
	}

	#perform(command: { do: string } & Record<string, unknown>): Promise<void> {
		const id = this.#nextId++;
		if (this.#ended !== undefined) return Promise.reject(this.#ended);
		return new Promise((resolve, reject) => {
			this.#replies.set(id, ({ error }) => {
				if (error === undefined) resolve();
				else reject(new Error(`driver refused "${command.do}": ${error}`));
			});
			this.#child.write(JSON.stringify({ id, ...command }));
		});
	}

	async #read(): Promise<void> {
		try {
			for (;;) {
				const line = await this.#child.lines.take(() => true, 'line', 2 ** 31 - 1);
				const said = JSON.parse(line) as DriverEvent | Reply;
				if (said.event !== 'reply') this.#events.push(said);
				else {
					this.#replies.get(said.id)?.(said);
					this.#replies.delete(said.id);
				}
			}
		} catch (error) {
			const reason = error instanceof Error ? error : new Error(String(error));
			this.#ended = reason;
			this.#events.end(reason);
			for (const [id, reply] of this.#replies) reply({ event: 'reply', id, error: reason.message });
			this.#replies.clear();
		}
	}
}

export async function startDriver(binaries: Pick<InteropBinaries, 'driver'>): Promise<Driver> {
	return new Driver(await startLines(binaries.driver, []));
}

const attributes = (values: Readonly<Record<string, string>>) =>
	Object.entries(values).map(([key, stringValue]) => ({ key, value: { stringValue } }));
