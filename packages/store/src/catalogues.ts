/** Catalogues kept: agents choose what they call theirs. Of those beyond nobody is asked. */
export const cataloguesMax = 10_000;
