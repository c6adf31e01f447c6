import { parseDuration } from './duration.js';
import { err, ok, type Result } from './result.js';

/** How the text of one environment variable becomes a value. `parse` throws an Error whose message says what would be right. */
export interface Setting<T> {
	/** `AMPORA_OPAMP_PORT` */
	readonly name: string;
	readonly help: string;
	readonly parse: (text: string) => T;
	/** Used when the variable is absent; none: it is required. */
	readonly fallback?: T;
	/** Never printed. */
	readonly secret?: boolean;
}

export type Settings = Readonly<Record<string, Setting<unknown>>>;
export type Resolved<S extends Settings> = { readonly [Key in keyof S]: S[Key] extends Setting<infer T> ? T : never };

const prefix = 'AMPORA_';

/**
 * Reads a service's settings from the environment: complete, typed and frozen, or every fault at once as a line each.
 * A variable with our prefix that no setting has is a fault too: a misspelt one would silently do nothing. `shared` names variables
 * that belong to other services of the same environment.
 */
export function readSettings<S extends Settings>(
	settings: S,
	environment: Readonly<Record<string, string | undefined>>,
	shared: readonly string[] = [],
): Result<Resolved<S>, readonly string[]> {
	const faults: string[] = [];
	const values: Record<string, unknown> = {};
	for (const [key, setting] of Object.entries(settings)) {
		const read = readOne(setting, environment[setting.name]);
		if (read.ok) values[key] = read.value;
		else faults.push(read.error);
	}
	const known = new Set([...Object.values(settings).map((setting) => setting.name), ...shared]);
	for (const name of Object.keys(environment)) {
		if (name.startsWith(prefix) && !known.has(name))
			faults.push(`${name} is not a setting of this service: ${nearest(name, known)}`);
	}
	return faults.length > 0 ? err(faults) : ok(Object.freeze(values) as Resolved<S>);
}

function readOne(setting: Setting<unknown>, text: string | undefined): Result<unknown, string> {
	if (text === undefined || text === '') {
		return 'fallback' in setting ? ok(setting.fallback) : err(`${setting.name} is missing: ${setting.help}`);
	}
	try {
		return ok(setting.parse(text));
	} catch (error) {
		const shown = setting.secret ? 'its value' : JSON.stringify(text);
		return err(`${setting.name} is ${shown}, but ${(error as Error).message} (${setting.help})`);
	}
}

function nearest(name: string, known: ReadonlySet<string>): string {
	const parts = new Set(name.split('_'));
	const score = (candidate: string) => candidate.split('_').filter((part) => parts.has(part)).length;
	const [best] = [...known].sort((a, b) => score(b) - score(a) || (a < b ? -1 : 1));
	return best === undefined ? 'it has none' : `did you mean ${best}?`;
}

/** One line per setting: name, value (secrets as `***`), what it is for. */
export function describeSettings<S extends Settings>(settings: S, values: Resolved<S>): string {
	return Object.entries(settings)
		.map(([key, setting]) => {
			const value = values[key as keyof S];
			const shown = setting.secret && value !== null && value !== undefined ? '***' : String(value ?? '');
			return `${setting.name}=${shown}  # ${setting.help}`;
		})
		.join('\n');
}

const fault = (message: string): never => {
	throw new Error(message);
};

/** Readers of common kinds of value. */
export const asText = (text: string): string => text;

export const asInteger =
	(min: number, max: number) =>
	(text: string): number => {
		const value = Number(text);
		return Number.isInteger(value) && value >= min && value <= max
			? value
			: fault(`it has to be a whole number from ${min} to ${max}`);
	};

/** 0 lets the system choose. */
export const asPort = asInteger(0, 65_535);

export const asFlag = (text: string): boolean =>
	text === 'true' ? true : text === 'false' ? false : fault('it has to be true or false');

export const asOneOf =
	<const T extends readonly string[]>(...choices: T) =>
	(text: string): T[number] =>
		choices.includes(text) ? text : fault(`it has to be one of ${choices.join(', ')}`);

export const asUrl =
	(...schemes: readonly string[]) =>
	(text: string): string => {
		const url = URL.canParse(text)
			? new URL(text)
			: fault(`it has to be a URL that begins with ${schemes.map((s) => `${s}://`).join(' or ')}`);
		return schemes.includes(url.protocol.slice(0, -1))
			? text
			: fault(`it has to begin with ${schemes.map((s) => `${s}://`).join(' or ')}`);
	};

/** `250ms`, `90s`, `1h30m` → ms. */
export function asDuration(text: string): number {
	const parsed = parseDuration(text);
	return parsed.ok ? parsed.value : fault('it has to be a duration like 250ms, 90s, 5m or 1h30m');
}
