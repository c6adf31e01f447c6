import type { ErrorBody } from '@ampora/api-contract';

/** What the shell gets. Scripts rely on these; `ampora --help` lists them. */
export const exitCodes = {
	ok: 0,
	/** Wrong usage, or something nobody expected. */
	usage: 1,
	/** The server understood and said no (4xx). */
	refused: 2,
	/** No server there, or it failed (5xx). */
	unreachable: 3,
	/** A rollout that was created or watched ended badly, or a gate paused it. */
	rolloutBad: 4,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodesHelp = `
Exit codes:
  0  done
  1  wrong usage, or an unexpected error
  2  refused by the server: the message says why and what to do
  3  the server cannot be reached, or failed
  4  a rollout that was created or watched ended badly, or was paused by a gate

Environment:
  AMPORA_SERVER  address of the REST API (default http://127.0.0.1:4321)
  AMPORA_TOKEN   API token`;

/** Ends the command: `message` goes to stderr, or under `--json` an object with it and, of a refusal, what the server said. */
export class CommandFailed extends Error {
	constructor(
		readonly exitCode: ExitCode,
		message: string,
		readonly body: ErrorBody | null = null,
	) {
		super(message);
	}
}
