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
		say(`${service.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
		process.exit(exitFailed);
	}
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
