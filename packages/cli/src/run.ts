import { Command, CommanderError } from 'commander';
import { addAgents } from './commands/agents.js';
import { addAudit } from './commands/audit.js';
import { addCalendar } from './commands/calendar.js';
import { addConfigs } from './commands/configs.js';
import { addGroups } from './commands/groups.js';
import { addRollouts } from './commands/rollouts.js';
import { addSettings } from './commands/settings.js';
import { addTokens } from './commands/tokens.js';
import { CommandFailed, type ExitCode, exitCodes, exitCodesHelp } from './exit_codes.js';
import type { Io } from './io.js';

function buildProgram(io: Io): Command {
	const program = new Command('ampora')
		.description('See and change what fleets of OpAMP agents run.')
		.version('0.1.0')
		.option('--server <url>', 'address of the REST API (AMPORA_SERVER)')
		.option('--token <token>', 'API token (AMPORA_TOKEN)')
		.option('--json', 'print answers as JSON')
		.addHelpText('after', exitCodesHelp)
		.showHelpAfterError('(--help shows how)');
	addAgents(program, io);
	addConfigs(program, io);
	addGroups(program, io);
	addRollouts(program, io);
	addSettings(program, io);
	addCalendar(program, io);
	addTokens(program, io);
	addAudit(program, io);
	for (const command of withChildren(program)) prepare(command, io);
	return program;
}

const withChildren = (command: Command): Command[] => [command, ...command.commands.flatMap(withChildren)];

function prepare(command: Command, io: Io): void {
	// The longest arguments leave less than commander wants before it wraps what stands beside them.
	command
		.configureHelp({ minWidthToWrap: 30 })
		.exitOverride()
		.configureOutput({
			writeOut: (text) => io.stdout.write(text),
			writeErr: (text) => io.stderr.write(text),
			getOutHelpWidth: () => Math.min(io.stdout.columns, 100),
			getErrHelpWidth: () => Math.min(io.stderr.columns, 100),
			getOutHasColors: () => false,
			getErrHasColors: () => false,
		});
}

/** Runs one command line (without node and script); never throws, never exits. */
export async function runCli(argv: readonly string[], io: Io): Promise<ExitCode> {
	try {
		await buildProgram(io).parseAsync([...argv], { from: 'user' });
		return exitCodes.ok;
	} catch (error) {
		return explain(error, io, argv.includes('--json'));
	}
}

function explain(error: unknown, io: Io, json: boolean): ExitCode {
	// Commander has printed its own messages; help and version end the same way.
	if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
	if (error instanceof CommandFailed) {
		if (json) io.stderr.write(`${JSON.stringify(failureOf(error))}\n`);
		else if (error.message !== '') io.stderr.write(`ampora: ${error.message}\n`);
		return error.exitCode;
	}
	if (io.signal.aborted) return exitCodes.usage;
	io.stderr.write(`ampora: unexpected: ${error instanceof Error ? error.message : String(error)}\n`);
	return exitCodes.usage;
}

/** What a script reads from stderr; the server's own words where it refused. */
const failureOf = ({ exitCode, message, body }: CommandFailed) => ({ exitCode, ...(body ?? { message }) });
