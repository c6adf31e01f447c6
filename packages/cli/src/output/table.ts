export interface Column<Row> {
	readonly title: string;
	readonly value: (row: Row) => string | number | boolean | null | undefined;
	readonly align?: 'right';
}

const shown = (value: string | number | boolean | null | undefined): string => {
	if (value === null || value === undefined || value === '') return '-';
	return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
};

/** Columns as wide as their widest value, two spaces apart; never wrapped, so that `grep` and `awk` work. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
	const cells = [
		columns.map(({ title }) => title),
		...rows.map((row) => columns.map(({ value }) => shown(value(row)))),
	];
	const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
	const lines = cells.map((line) =>
		line
			.map((cell, index) => {
				const width = widths[index] ?? 0;
				return columns[index]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
			})
			.join('  ')
			.trimEnd(),
	);
	return `${lines.join('\n')}\n`;
}

/** `key: value` lines with the values in one column. */
export function facts(entries: readonly (readonly [string, string | number | boolean | null | undefined])[]): string {
	const width = Math.max(...entries.map(([key]) => key.length)) + 1;
	return entries.map(([key, value]) => `${`${key}:`.padEnd(width)} ${shown(value)}\n`).join('');
}

/** `2026-11-20 23:07:01` in UTC. */
export const when = (instant: string | null): string | null =>
	instant === null ? null : `${instant.slice(0, 10)} ${instant.slice(11, 19)}`;
