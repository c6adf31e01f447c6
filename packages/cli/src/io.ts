export interface TextSink {
	write(text: string): void;
	readonly isTTY: boolean;
	/** Characters per line. */
	readonly columns: number;
}

/** The world around a command, so that tests can be it. */
export interface Io {
	readonly stdout: TextSink;
	readonly stderr: TextSink;
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly fetch: typeof fetch;
	readFile(path: string): Promise<string>;
	/** Aborted by Ctrl-C. */
	readonly signal: AbortSignal;
}
