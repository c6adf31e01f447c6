// What a person sees while the project sets itself up: one line per piece of work, with its duration.

const tty = Boolean(process.stdout.isTTY);
const paint = (code, text) => (tty && !process.env.NO_COLOR ? `\u001b[${code}m${text}\u001b[0m` : text);

export const green = (text) => paint(32, text);
export const red = (text) => paint(31, text);
export const dim = (text) => paint(2, text);

/** @param {string} line */
export function say(line) {
	process.stdout.write(`${line}\n`);
}

/** @param {number} sinceMs a `performance.now()` @returns {string} `0.8 s`, `2 min 05 s` */
export function elapsed(sinceMs) {
	const seconds = (performance.now() - sinceMs) / 1000;
	if (seconds < 60) return `${seconds.toFixed(1)} s`;
	return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
}

/**
 * Does `work` and shows it: on a terminal as one line that counts the time, elsewhere as a line when it ends.
 * @template T
 * @param {string} title
 * @param {() => Promise<T> | T} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
	const start = performance.now();
	const redraw = () => process.stdout.write(`\r  ${title} ${dim(elapsed(start))}`);
	const clock = tty ? setInterval(redraw, 500) : undefined;
	if (tty) redraw();
	let mark = red('✗');
	try {
		const result = await work();
		mark = green('✓');
		return result;
	} finally {
		clearInterval(clock);
		say(`${tty ? '\r\u001b[K' : ''}${mark} ${title} ${dim(`(${elapsed(start)})`)}`);
	}
}
