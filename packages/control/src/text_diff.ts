// What differs in the text of two versions, without their secrets.
import { maskedText } from '@ampora/collector-config';
import { createTwoFilesPatch } from 'diff';

/** By name. */
export type FileTexts = ReadonlyMap<string, string>;

/** Past so many differing lines, all files together, a file is told as replaced: finding the least diff takes time with their square. */
const differingLinesMax = 2_000;

/**
 * A unified diff, file by file in name order; files that are the same are left out. Values that are secrets are `(hidden)`, and
 * `(hidden, changed)` where another stood there before: a line of which nothing else differs is in the diff all the same.
 */
export function textDiff(from: FileTexts, to: FileTexts): string {
	const mask = new Mask();
	const names = [...new Set([...from.keys(), ...to.keys()])].sort();
	const differing = names
		.filter((name) => from.get(name) !== to.get(name))
		.map((name) => ({ name, texts: [mask.of(from.get(name) ?? ''), mask.of(to.get(name) ?? '')] as const }));
	let effort = differingLinesMax ** 2;
	return differing
		.map(({ name, texts: [before, after] }) => {
			const linesMax = Math.floor(Math.sqrt(effort));
			const patch = patchOf(name || 'config', [mask.words(before), mask.words(after)], linesMax);
			effort -= (patch === null ? linesMax : differingLines(patch)) ** 2;
			return patch === null ? `--- ${name}\n+++ ${name}\n(too many lines differ)\n` : shown(patch);
		})
		.join('');
}

function patchOf(name: string, [before, after]: readonly [string, string], linesMax: number): string | null {
	const options = { context: 3, maxEditLength: linesMax };
	const patch = createTwoFilesPatch(name, name, before, after, undefined, undefined, options);
	// It begins with a title and a ruler that no tool needs.
	return patch?.replace(/^(Index:.*\n)?=+\n/, '') ?? null;
}

/** Of a patch with its two lines of head. */
const differingLines = (patch: string): number => Math.max(0, (patch.match(/^[+-]/gm)?.length ?? 0) - 2);

/** What stands for a secret while lines are compared: NUL, which no YAML has, around the number of the secret. */
const places = /\0(\d+)\0/g;
/** Shorter words are common ones too. */
const wordMin = 8;

/** The same number for the same secret wherever it stands. */
class Mask {
	readonly #numbers = new Map<string, number>();
	readonly #words = new Map<string, string>();

	of(text: string): string {
		return maskedText(text.replaceAll('\0', ''), (secret) => {
			const place = this.#placeOf(secret);
			for (const word of secret.match(/[^\s"']+/g) ?? [])
				if (word.length >= wordMin && !this.#words.has(word)) this.#words.set(word, this.#placeOf(word));
			return place;
		});
	}

	/** Of a masked text the secrets that any text has as a value, where they stand a second time: in comments. */
	words(text: string): string {
		return text.replaceAll(/[^\s"']+/g, (word) => this.#words.get(word) ?? word);
	}

	#placeOf(secret: string): string {
		const number = this.#numbers.get(secret) ?? this.#numbers.size;
		this.#numbers.set(secret, number);
		return `\0${number}\0`;
	}
}

/** Hunk by hunk: a secret that comes where others went, and is none of them, has changed. */
const shown = (patch: string): string =>
	patch
		.split(/^(?=@@)/m)
		.map((hunk) => {
			const gone = new Set([...hunk.matchAll(/^-.*$/gm)].flatMap(([line]) => line.match(places) ?? []));
			return hunk.replaceAll(/^.*$/gm, (line) =>
				line.replaceAll(places, (place) =>
					line.startsWith('+') && gone.size > 0 && !gone.has(place) ? '(hidden, changed)' : '(hidden)',
				),
			);
		})
		.join('');
