// Servers from Docker, where a daemon answers: having the client proves nothing.
import { randomBytes } from 'node:crypto';
import { capture, mustRun } from '../child.mjs';
import { keptServer } from './kept_server.mjs';
import { freePort, ownFolder } from './places.mjs';

let answer;

/** @returns {Promise<boolean>} */
export function dockerAnswers() {
	answer ??= capture('docker', ['info'], { timeoutMs: 5_000 }).then(({ code }) => code === 0);
	return answer;
}

/**
 * @param {object} what
 * @param {string} what.name
 * @param {string} what.image
 * @param {number} what.port inside the container
 * @param {readonly string[]} [what.options] of `docker run`
 * @param {readonly string[]} what.args of the image's entry point
 * @param {(port: number) => string} what.url
 * @param {(port: number) => Promise<boolean>} what.answers
 */
export async function containerServer({ name, image, port: inner, options = [], args, url, answers }) {
	const known = await capture('docker', ['image', 'inspect', image]);
	if (known.code !== 0) await mustRun('docker', ['pull', '--quiet', image]);
	const port = await freePort();
	const container = `ampora-${name}-${randomBytes(4).toString('hex')}`;
	return keptServer({
		kind: `Docker image ${image}`,
		url: url(port),
		port,
		folder: ownFolder(name),
		command: 'docker',
		args: ['run', '--rm', '--name', container, '-p', `127.0.0.1:${port}:${inner}`, ...options, image, ...args],
		// SIGKILL would end the client and leave the container.
		killCommand: ['docker', 'kill', container],
		answers,
	});
}
