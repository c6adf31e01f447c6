interface Sample {
	readonly name: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** The samples of one Prometheus page. */
export class Samples {
	private constructor(readonly all: readonly Sample[]) {}

	static parse(text: string): Samples {
		const all = text.split('\n').flatMap((row): Sample[] => {
			const [, name, labels = '', value] = line.exec(row) ?? [];
			if (name === undefined) return [];
			return [
				{
					name,
					labels: Object.fromEntries([...labels.matchAll(label)].map((one) => [one[1], one[2]])),
					value: Number(value),
				},
			];
		});
		return new Samples(all);
	}

	get names(): ReadonlySet<string> {
		return new Set(this.all.map(({ name }) => name));
	}

	/** Sum over all samples of that name that carry these labels; 0 without any. */
	sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
		return this.all
			.filter((sample) => sample.name === name)
			.filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
			.reduce((sum, { value }) => sum + value, 0);
	}
}
