#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import type { TextSink } from './io.js';
import { runCli } from './run.js';

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
// `ampora … | head` closes the pipe early; that is no error.
process.stdout.on('error', () => process.exit(0));

const sink = (stream: NodeJS.WriteStream): TextSink => ({
	write: (text) => void stream.write(text),
	isTTY: stream.isTTY === true,
	get columns() {
		return stream.columns || 80;
	},
});

process.exitCode = await runCli(process.argv.slice(2), {
	stdout: sink(process.stdout),
	stderr: sink(process.stderr),
	env: process.env,
	fetch,
	readFile: (path) => readFile(path === '-' ? '/dev/stdin' : path, 'utf8'),
	signal: interrupted.signal,
});
