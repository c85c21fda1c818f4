"""A closed period is opened again by an order that is in force, and by no other.

In force is an accepted order whose moment has come and whose height is being mined, and of which a
section at least has not been replaced by a later one. Heights are known by what the fronts report.
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

STANDING = """
CREATE FUNCTION order_standing(wanted integer, at timestamptz) RETURNS text LANGUAGE plpgsql
STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    mined bigint;
    own jsonb;
BEGIN
    SELECT convert_from(orders.content, 'UTF8')::jsonb INTO own
    FROM order_acceptances AS accepted JOIN orders ON orders.id = accepted.order_id
    WHERE accepted.number = wanted AND accepted.accepted_at <= at;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    SELECT greatest((SELECT max((state ->> 'height')::bigint) FROM front_ends),
                    (SELECT max(tip_height) + 1 FROM order_acceptances), 0) INTO mined;
    IF coalesce((own #>> '{effective,moment}')::timestamptz > at, false)
        OR coalesce((own #>> '{effective,height}')::bigint > mined, false) THEN
        RETURN 'later';
    END IF;
    IF NOT EXISTS (
        SELECT FROM jsonb_object_keys(own -> 'rules') AS section WHERE NOT EXISTS (
            SELECT FROM order_acceptances AS accepted
            JOIN orders ON orders.id = accepted.order_id,
            LATERAL (SELECT convert_from(orders.content, 'UTF8')::jsonb AS said) AS later
            WHERE accepted.number > wanted AND accepted.accepted_at <= at
                AND said -> 'rules' ? section
                AND CASE WHEN section IN ('reward', 'fee', 'venues')
                    THEN (said #>> '{effective,height}')::bigint <= mined
                    ELSE (said #>> '{effective,moment}')::timestamptz <= at END
        )
    ) THEN
        RETURN 'replaced';
    END IF;
    RETURN 'in_force';
END $$;
REVOKE EXECUTE ON FUNCTION order_standing FROM PUBLIC;
GRANT EXECUTE ON FUNCTION order_standing TO kench_cabinet, kench_read;
"""

GUARD = """
CREATE FUNCTION guard_income_reopening() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF order_standing(NEW.order_number, NEW.at) <> 'in_force' THEN
        RAISE EXCEPTION 'period % is not opened by order %, which is not in force',
            NEW.period, NEW.order_number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_income_reopening AFTER INSERT ON income_closings
    FOR EACH ROW WHEN (NEW.kind = 'reopened') EXECUTE FUNCTION guard_income_reopening();
"""


def upgrade() -> None:
    """Say what stands, and hold reopenings to it."""
    op.execute(STANDING)
    op.execute(GUARD)


def downgrade() -> None:
    """Leave it to those who sign."""
    op.execute("DROP TRIGGER guard_income_reopening ON income_closings")
    op.execute("DROP FUNCTION guard_income_reopening")
    op.execute("DROP FUNCTION order_standing")
