// The OpAMP Supervisor of the OpenTelemetry Collector and the collector it runs, as real processes.
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import type { InteropBinaries } from './build.mjs';
import { startLines } from './child.js';
import type { Transcript } from './transcript.js';

/** The supervisor's own names. What is not given keeps its default: effective config, own metrics, health and heartbeat are on. */
export interface SupervisorCapabilities {
	readonly accepts_remote_config?: boolean;
	readonly reports_remote_config?: boolean;
	readonly reports_effective_config?: boolean;
	readonly reports_own_metrics?: boolean;
	readonly reports_health?: boolean;
	readonly reports_heartbeat?: boolean;
	readonly reports_available_components?: boolean;
	readonly accepts_restart_command?: boolean;
	readonly accepts_opamp_connection_settings?: boolean;
}

export interface SupervisorOptions {
	readonly binaries: Pick<InteropBinaries, 'supervisor' | 'collector'>;
	/** ws:// or http:// URL of the OpAMP server. */
	readonly endpoint: string;
	/** Sent as a bearer token. */
	readonly token: string;
	/** Its own folder. Starting again in the same one is the same agent with the configuration it had. */
	readonly workdir: string;
	/** Default: remote configuration accepted, its status reported. */
	readonly capabilities?: SupervisorCapabilities;
	/** Non-identifying attributes beside those of the collector. */
	readonly attributes?: Readonly<Record<string, string>>;
	/**
	 * The supervisor calls a configuration APPLIED when this time is over and the collector is healthy then, never earlier.
	 * A collector that crashes within it is FAILED at once. Default 30 s.
	 */
	readonly configApplyTimeout?: `${number}s`;
	/** Lets the collector check a configuration before the running one is given up. */
	readonly validateConfig?: boolean;
}

export interface RunningSupervisor {
	readonly pid: number;
	/** UUID text of the agent. */
	readonly instanceUid: string;
	/** The supervisor's own log, JSON lines. */
	readonly log: Transcript<string>;
	/** The log of the collector that runs now or ran last. */
	collectorLog(): Promise<string>;
	/** The merged configuration the supervisor runs the collector with. */
	collectorConfig(): Promise<string>;
	/** Orderly: the collector stops, the server gets a goodbye. Safe to call twice. */
	stop(): Promise<void>;
	/** Both processes vanish without a word. */
	kill(): Promise<void>;
}

// While a collector boots it may miss the supervisor's SIGTERM; the supervisor waits 10 s before it kills it.
const bootPatienceMs = 75_000;
const stopGraceMs = 20_000;

/** Resolves when the collector has been run once for its description, just before the supervisor connects. */
export async function startSupervisor(options: SupervisorOptions): Promise<RunningSupervisor> {
	await mkdir(options.workdir, { recursive: true });
	const file = path.join(options.workdir, 'supervisor.yaml');
	await writeFile(file, stringify(supervisorConfig(options)));
	const child = await startLines(options.binaries.supervisor, ['--config', file], options.workdir);
	const forced = async () => {
		child.signal('SIGKILL');
		await child.leave(stopGraceMs);
		await killCollector(child.lines, options.workdir);
	};
	const boot = await child.lines
		.take((line) => line.includes('"msg":"Supervisor starting"'), 'start of the supervisor', bootPatienceMs)
		.catch(async (error: unknown) => {
			await forced();
			throw error;
		});
	const inStorage = (name: string) => readFile(path.join(options.workdir, 'storage', name), 'utf8');
	return {
		pid: child.pid,
		instanceUid: (JSON.parse(boot) as { id: string }).id,
		log: child.lines,
		collectorLog: () => inStorage('agent.log'),
		collectorConfig: () => inStorage('effective.yaml'),
		async stop() {
			// SIGTERM would end the supervisor on the spot and leave the collector behind: it only listens to SIGINT.
			child.signal('SIGINT');
			if (!(await child.leave(stopGraceMs))) await killCollector(child.lines, options.workdir);
		},
		kill: forced,
	};
}

function supervisorConfig(options: SupervisorOptions) {
	return {
		server: { endpoint: options.endpoint, headers: { Authorization: [`Bearer ${options.token}`] } },
		capabilities: { accepts_remote_config: true, reports_remote_config: true, ...options.capabilities },
		agent: {
			executable: options.binaries.collector,
			config_apply_timeout: options.configApplyTimeout ?? '30s',
			bootstrap_timeout: '60s',
			validate_config: options.validateConfig ?? false,
			description: { non_identifying_attributes: { ...options.attributes } },
			// Its metrics would be served on one fixed port, and only one collector of a machine could have it.
			args: ['--set=service.telemetry.metrics.level=none'],
		},
		storage: { directory: path.join(options.workdir, 'storage') },
		telemetry: { logs: { level: 'debug' } },
	};
}

/**
 * The supervisor logs every process it starts. Its last collector would notice the death of its parent some seconds later; this
 * does not wait for that. The number may be somebody else's by now, hence the look at what runs under it.
 */
async function killCollector(log: Transcript<string>, workdir: string): Promise<void> {
	const last = log.said.findLast((line) => line.includes('"msg":"Agent process started"'));
	if (last === undefined) return;
	const { pid } = JSON.parse(last) as { pid: number };
	const running = await promisify(execFile)('ps', ['-o', 'command=', '-p', `${pid}`]).catch(() => ({ stdout: '' }));
	if (running.stdout.includes(workdir)) process.kill(pid, 'SIGKILL');
}
