import { InvalidArgumentError } from 'commander';

interface PageAnswer<Item> {
	readonly items: readonly Item[];
	readonly nextCursor: string | null;
}

const pageMax = 500;

/** Asks page after page until there are `limit` items, or no more. */
export async function collectPages<Item>(
	limit: number,
	ask: (page: { limit: number; cursor?: string }) => Promise<PageAnswer<Item>>,
): Promise<Item[]> {
	const items: Item[] = [];
	for (let cursor: string | undefined; items.length < limit; ) {
		const page = await ask({ limit: Math.min(pageMax, limit - items.length), ...(cursor !== undefined && { cursor }) });
		items.push(...page.items);
		if (page.nextCursor === null) break;
		cursor = page.nextCursor;
	}
	return items;
}

export function wholeNumber(text: string): number {
	if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('write a whole number from 1 up.');
	return Number(text);
}
