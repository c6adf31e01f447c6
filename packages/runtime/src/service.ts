import { describeSettings, type Resolved, readSettings, type Settings } from './settings.js';

export interface RunningService {
	/** Graceful: stop taking work, finish what is under way, give back what is held. Called once. */
	stop(): Promise<void>;
}

export interface ServiceMain<S extends Settings> {
	readonly name: string;
	readonly settings: S;
	/** Variables of other services that may be in the same environment. */
	readonly shared?: readonly string[];
	readonly start: (values: Resolved<S>) => Promise<RunningService>;
}

/** The ampora command's own: a shell that has them for it may well be the one that starts a service. */
const commandVariables = ['AMPORA_SERVER', 'AMPORA_TOKEN'];

/** Why a service cannot start, where a person can put that right: told without a stack. */
export class CannotStart extends Error {}

const exitOk = 0;
const exitFailed = 1;
const exitUsage = 2;

/**
 * The life of a service process: read the settings, start, wait for SIGINT or SIGTERM, stop. A second signal ends it at once.
 * `--check-config` and `--print-config` only read the settings. Ends the process with 0, 1 (failed) or 2 (settings).
 */
export async function serviceMain<S extends Settings>(service: ServiceMain<S>): Promise<void> {
	const say = (text: string) => process.stderr.write(`${text}\n`);
	const read = readSettings(service.settings, process.env, [...commandVariables, ...(service.shared ?? [])]);
	if (!read.ok) {
		say([`${service.name} cannot start with these settings:`, ...read.error.map((line) => `  ${line}`)].join('\n'));
		process.exit(exitUsage);
	}
	if (process.argv.includes('--print-config'))
		process.stdout.write(`${describeSettings(service.settings, read.value)}\n`);
	if (process.argv.includes('--print-config') || process.argv.includes('--check-config')) process.exit(exitOk);
	try {
		// Listened for from before the start: a signal during a slow start is not lost.
		const asked = firstSignal();
		const running = await service.start(read.value);
		await asked;
		await running.stop();
		process.exit(exitOk);
	} catch (error) {
		say(`${service.name}: ${faultText(error, service.settings, read.value)}`);
		process.exit(exitFailed);
	}
}

function faultText<S extends Settings>(error: unknown, settings: S, values: Resolved<S>): string {
	if (error instanceof CannotStart) return error.message;
	if (!(error instanceof Error)) return String(error);
	const { code, port } = error as NodeJS.ErrnoException & { readonly port?: number };
	if (code !== 'EADDRINUSE') return error.stack ?? error.message;
	const named = Object.entries(settings).find(([key]) => values[key] === port)?.[1].name;
	return `port ${port} is taken by another process: end that one${named === undefined ? '' : `, or choose another port with ${named}`}`;
}

function firstSignal(): Promise<void> {
	return new Promise((resolve) => {
		let signals = 0;
		const onSignal = () => {
			signals += 1;
			if (signals > 1) process.exit(exitFailed);
			resolve();
		};
		process.on('SIGINT', onSignal);
		process.on('SIGTERM', onSignal);
	});
}
