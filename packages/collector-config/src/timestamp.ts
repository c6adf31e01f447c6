/** A moment, which is what the collector's reader makes of a plain `2024-01-01`: where text belongs, the collector then refuses it. */
export class Timestamp {
	/** In UTC, with the fraction of the second as far as it is not zero: `2024-01-01T00:00:00Z`. */
	readonly instant: string;

	constructor(instant: string) {
		this.instant = instant;
	}

	toString(): string {
		return this.instant;
	}
}

const date = String.raw`(?<year>\d{4})-(?<month>\d\d?)-(?<day>\d\d?)`;
const time = String.raw`(?<hour>\d\d?):(?<minute>\d\d?):(?<second>\d\d?)(?:[.,](?<fraction>\d+))?`;
const zone = String.raw`(?:Z|(?<sign>[+-])(?<zoneHour>\d\d):(?<zoneMinute>\d\d))`;
/** A zone stands behind a `T`, there always, and nowhere else. */
const forms = [`^${date}$`, `^${date}[Tt]${time}${zone}$`, `^${date} +${time}$`].map((form) => new RegExp(form));

/** By the layouts of go yaml v3; undefined when the text is no moment. */
export function timestampOf(text: string): Timestamp | undefined {
	for (const form of forms) {
		const { groups } = form.exec(text) ?? {};
		if (groups !== undefined) return momentOf(groups);
	}
	return undefined;
}

function momentOf(groups: Readonly<Record<string, string | undefined>>): Timestamp | undefined {
	const part = (name: string): number => Number(groups[name] ?? 0);
	const [year, month, day] = [part('year'), part('month'), part('day')];
	const [hour, minute, second] = [part('hour'), part('minute'), part('second')];
	const moment = new Date(0);
	moment.setUTCFullYear(year, month - 1, day);
	// 31 June is not 1 July.
	if (moment.getUTCMonth() !== month - 1 || moment.getUTCDate() !== day) return undefined;
	if (hour > 23 || minute > 59 || second > 59) return undefined;
	const [zoneHour, zoneMinute] = [part('zoneHour'), part('zoneMinute')];
	if (zoneHour > 24 || zoneMinute > 60) return undefined;
	const ahead = (groups.sign === '-' ? -1 : 1) * (zoneHour * 60 + zoneMinute);
	moment.setUTCHours(hour, minute - ahead, second);
	const fraction = (groups.fraction ?? '').slice(0, 9).replace(/0+$/, '');
	return new Timestamp(moment.toISOString().replace('.000Z', `${fraction && `.${fraction}`}Z`));
}
