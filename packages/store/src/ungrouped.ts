import type { GroupId } from '@ampora/runtime';

/** The group of agents that are in no other: the same in every installation. */
export const ungroupedGroupId = '00000000-0000-7000-8000-000000000001' as GroupId;
