ALTER TABLE "agent" ADD COLUMN "identity" "bytea";--> statement-breakpoint
ALTER TABLE "agent" ADD COLUMN "earlier_uids" uuid[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "agent" ADD COLUMN "heir_of" uuid;--> statement-breakpoint
CREATE INDEX "agent_earlier_uids" ON "agent" USING gin ("earlier_uids") WHERE earlier_uids <> '{}';--> statement-breakpoint
CREATE INDEX "agent_identity" ON "agent" USING btree ("identity") WHERE identity is not null;--> statement-breakpoint
CREATE INDEX "agent_heirs" ON "agent" USING btree ("gateway") WHERE heir_of is not null;--> statement-breakpoint
CREATE FUNCTION "agent_identity"(description jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
	select sha256(convert_to(jsonb_agg(jsonb_build_array(name, value) order by at)::text, 'utf8'))
	from (
		select k.name, k.at, coalesce(description -> 'identifying' -> k.name, description -> 'nonIdentifying' -> k.name) as value
		from setting s cross join lateral jsonb_array_elements_text(s.value -> 'attributes') with ordinality as k (name, at)
		where s.name = 'fleet.identity'
	) told
	having count(*) > 0
		and bool_and(coalesce(jsonb_typeof(value) in ('string', 'number', 'boolean') and value <> '""', false))
$$;
