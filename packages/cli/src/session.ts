import {
	type AnswerOf,
	type CallInput,
	type ClientError,
	createClient,
	type OperationId,
	type RolloutAnswer,
} from '@ampora/api-contract';
import type { Result } from '@ampora/runtime';
import type { Command } from 'commander';
import { CommandFailed, exitCodes } from './exit_codes.js';
import type { Io } from './io.js';
import { findingText } from './output/finding_text.js';
import { actionOf, messageOf } from './output/refusal_text.js';

const defaultServer = 'http://127.0.0.1:4321';

/** One run of a command: the server it talks to, and how it prints. */
export interface Session {
	readonly io: Io;
	readonly json: boolean;
	/** The answer, or the end of the command with a message that says what to do. */
	call<Op extends OperationId>(operation: Op, input?: CallInput<Op>): Promise<AnswerOf<Op>>;
	watch(rollout: string): Promise<AsyncIterable<RolloutAnswer>>;
	/** The answer as JSON under `--json`, otherwise as text. */
	print<T>(answer: T, text: (answer: T) => string): void;
}

interface GlobalOptions {
	readonly server?: string;
	readonly token?: string;
	readonly json?: boolean;
}

function openSession(command: Command, io: Io): Session {
	const options = command.optsWithGlobals<GlobalOptions>();
	const server = options.server ?? io.env.AMPORA_SERVER ?? defaultServer;
	if (!URL.canParse(server) || !/^https?:/.test(server)) {
		throw new CommandFailed(exitCodes.usage, `"${server}" is no address of a server; write it like ${defaultServer}`);
	}
	const token = options.token ?? io.env.AMPORA_TOKEN;
	const client = createClient({ server, token, fetch: io.fetch, signal: io.signal });
	const named = command.options.flatMap(({ long }) => long ?? []);
	const json = options.json === true;
	return {
		io,
		json,
		call: async (operation, input) => unwrap(await client.call(operation, input), named),
		watch: async (rollout) => unwrap(await client.watch(rollout), named),
		print: (answer, text) => io.stdout.write(json ? `${JSON.stringify(answer, null, '\t')}\n` : text(answer)),
	};
}

function unwrap<T>(result: Result<T, ClientError>, options: readonly string[]): T {
	if (result.ok) return result.value;
	const { error } = result;
	if (error.kind === 'unreachable') {
		const hint = 'Is Ampora running there? Name its REST address with --server or AMPORA_SERVER.';
		throw new CommandFailed(exitCodes.unreachable, `${error.message}\n  ${hint}`);
	}
	const { status, body } = error;
	const code = status >= 500 ? exitCodes.unreachable : exitCodes.refused;
	const text = `${messageOf(body, options)} (${body.code})${findingsText(body.details)}`;
	throw new CommandFailed(code, `${text}\n  ${actionOf(body)}`, body);
}

function findingsText({ findings }: Readonly<Record<string, unknown>>): string {
	if (!Array.isArray(findings)) return '';
	return findings.map((finding) => `\n  ${findingText(finding)}`).join('');
}

/** For `.action`: opens a session and waits for the work. */
export const inSession =
	<Args extends unknown[]>(io: Io, work: (session: Session, ...args: Args) => Promise<void>) =>
	async (...given: unknown[]): Promise<void> => {
		const command = given.at(-1) as Command;
		await work(openSession(command, io), ...(given.slice(0, -1) as Args));
	};
