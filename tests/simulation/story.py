"""A story: so many steps, each the draw of one thing that could happen now, each looked at."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from kench.payouts.transfers import BlockState
from kench.sale.acts import Act, Approval, ResolutionError, carry_out, document_of
from kench.sale.lots import LotMovedError, read_unfinished
from kench.sale.machine import LotState
from tests.payouts.bank.files import Line, pain002
from tests.payouts.bank.purse import RULE
from tests.simulation.checks import BrokenError, check_end
from tests.simulation.fates import Fates
from tests.simulation.fronts import EASY
from tests.simulation.ground import Ground
from tests.simulation.world import MATURITY, World, told_file

STEPS = (10, 60)
BLOCKS_MAX = 3
ENDS_SHARE = 0.4
"""So many stories go on in rounds, in which everybody does what is due, until all is at its end."""
STEPS_BEFORE_END = (3, 30)
ROUGH_ROUNDS = 8
"""In so many rounds what is left of the faults may happen still; then all is calm."""
ROUNDS_MAX = 60
WAITING = {LotState.HELD, LotState.REFUSED, LotState.HALTED, LotState.VENUE_DISAGREES}
DAY_S = 86_400.0
Deed = Callable[[], object]


@dataclass
class Told:
    """How a story went."""

    seed: int
    trace: list[str]
    steps: int = 0
    faults: int = 0
    is_ended: bool = False
    broken: str = ""
    reached: dict[str, int] = field(default_factory=dict)


def tell(ground: Ground, seed: int, *, to_the_end: bool | None = None) -> Told:
    """Tell the story of a seed."""
    fates = Fates(seed)
    told = Told(seed, fates.trace)
    with ground.story():
        world = World(ground, fates)
        ground.park.scheduler = world.scheduler
        story = Story(world, told)
        try:
            story.go(to_the_end=to_the_end)
        except BrokenError as broken:
            told.broken = str(broken)
        except Exception:  # noqa: BLE001 - whatever it is, it is told with its seed
            told.broken = traceback.format_exc()
        finally:
            world.scheduler.end()
            for front in world.fronts:
                front.kill()
            told.reached = world.reached()
        told.faults = len(fates.happened)
    return told


class Story:
    """What happens, and what is looked at after it."""

    def __init__(self, world: World, told: Told) -> None:
        self.world = world
        self.told = told
        self.fates, self.draw = world.fates, world.fates.draw
        self.scheduler = world.scheduler
        self._mains = ["settle 1", "sell 1"]
        if self.draw.random() < 0.3:
            self._mains += self.draw.choice((["settle 2"], ["sell 2"], ["settle 2", "sell 2"]))
        self._blocks_wanted = self.draw.randint(1, BLOCKS_MAX)
        self._woken: dict[object, int] = {}
        self._fallen: list[str] = []
        self._reject = False

    def go(self, *, to_the_end: bool | None) -> None:
        """Take all steps; go on to the end where the seed says so."""
        goes_on = self.draw.random() < ENDS_SHARE
        if to_the_end is not None:
            goes_on = to_the_end
        steps = self.draw.randint(*(STEPS_BEFORE_END if goes_on else STEPS))
        for name in self._mains:
            self.world.start(name)
        for _ in range(steps):
            self.step()
        if goes_on:
            self._end()

    def step(self) -> None:
        """Do one thing, and look."""
        deeds = list(self._deeds())
        weights = [weight for weight, _, _ in deeds]
        _, name, deed = self.draw.choices(deeds, weights)[0]
        self.fates.say("STEP", name)
        deed()
        if not name.startswith("wake"):
            self._woken.clear()
        self.told.steps += 1
        self._look()

    def _look(self) -> None:
        park = self.world.ground.park
        if park.wrote:
            park.wrote = False
            self.world.ground.watch.look(self.world)
        for name, process in list(self.world.running.items()):
            for one in process.family:
                if one.error is not None:
                    words = "".join(traceback.format_exception(one.error))
                    raise BrokenError(f"{name} ended with {words}")

    def _deeds(self) -> list[tuple[float, str, Deed]]:
        """What could happen now, each with a weight."""
        deeds: list[tuple[float, str, Deed]] = []
        for process in self.scheduler.processes:
            if process.is_idle():
                continue
            # Who was woken twice since anything happened has nothing to do.
            weight = process.weight if self._woken.get(process, 0) < 2 else 0.2
            deeds.append((weight, f"wake {process.name}", lambda one=process: self._wake(one)))
        for name in self._mains:
            process = self.world.running[name]
            if not process.is_alive:
                deeds.append((3.0, f"start {name}", lambda name=name: self._start(name)))
            else:
                deeds.append((0.1, f"kill {name}",
                              lambda one=process: self.scheduler.kill(one)))  # fmt: skip
        deeds += [
            (1.0, "time passes", self._pass_time),
            *self._of_fronts(), *self._of_chain(), *self._of_venues(), *self._of_bank(),
        ]  # fmt: skip
        if self.draw.random() < 0.1:
            deeds.append((10.0, "officers look", self._officers))
        return deeds

    def _wake(self, process: object) -> None:
        self._woken[process] = self._woken.get(process, 0) + 1
        late_s = process.due_s - self.world.clock.monotonic()  # type: ignore[attr-defined]
        self.scheduler.advance(max(0.0, late_s))
        self.scheduler.resume(process)  # type: ignore[arg-type]

    def _start(self, name: str) -> None:
        self.world.ground.engines[name].dispose()
        self.world.start(name)

    def _pass_time(self) -> None:
        self.scheduler.advance(self.draw.choice((1, 11, 61, 61, 61, 400)))

    # Fronts.

    def _of_fronts(self) -> list[tuple[float, str, Deed]]:
        found = sum(len(front.blocks) for front in self.world.fronts)
        deeds: list[tuple[float, str, Deed]] = []
        for front in self.world.fronts:
            if not front.is_up:
                deeds.append((2.0, "front starts", front.begin))
                deeds.append((0.2, "mark torn", lambda one=front: one.tear_mark(self.draw)))
                continue
            wants_block = found < self._blocks_wanted
            weight = (8.0 if not found else 3.0) if wants_block else 0.3
            deeds += [
                (weight, "shares", lambda one=front: self._shares(one)),
                (0.15, "front torn", lambda one=front: self._shares(one, torn=True)),
                (0.1, "front killed", front.kill),
                (0.7 if len(self.world.fronts) > 1 else 0.1, "front tells time", front.tell_time),
            ]
        return deeds

    def _shares(self, front: object, *, torn: bool = False) -> None:
        found = sum(len(one.blocks) for one in self.world.fronts)
        self.scheduler.advance(0.5)
        job = self.world.new_job(self.draw.randrange(50_000, 12_000_000))
        shares = [
            (self.draw.randint(1, 4), EASY * self.draw.choice((1, 2, 4)))
            for _ in range(self.draw.randint(1, 3))
        ]
        block = found < self._blocks_wanted and self.draw.random() < 0.8
        batch, records = front.batch(job, shares, block=block)  # type: ignore[attr-defined]
        if torn:
            length = len(batch.records) + sum(len(one.line()) for one in batch.jobs)
            front.tear(batch, records, job, self.draw.randrange(length + 1))  # type: ignore[attr-defined]
        else:
            front.write(batch, records, job)  # type: ignore[attr-defined]

    # The chain.

    def _of_chain(self) -> list[tuple[float, str, Deed]]:
        chain = self.world.chain
        deeds: list[tuple[float, str, Deed]] = []
        ready = self.world.unmined()
        if ready:
            deeds.append((6.0, "block taken", lambda: self.world.accept(*self.draw.choice(ready))))
        else:
            is_due = any(depth < MATURITY for depth in self.world.deepest.values())
            weight = 5.0 if is_due else 0.3
            deeds.append((weight, "blocks mined", lambda: self._mine(self.draw.randint(1, 4))))
        if len(chain.best) > 5:
            deeds.append((0.15, "reorganised", self._reorganise))
        if self._fallen:
            deeds.append((1.0, "brought back", self._bring_back))
        deeds.append((0.2, "nodes differ", self._lag))
        return deeds

    def _mine(self, count: int) -> None:
        self.world.chain.mine(count)
        self.world.measure()

    def _reorganise(self) -> None:
        depth = self.draw.choice((1, 1, 2, 2, 4))
        self._fallen = self.world.chain.reorganise(depth, salt=str(self.draw.random()))
        self.world.measure()

    def _bring_back(self) -> None:
        self.world.chain.bring_back(self._fallen)
        self._fallen = []
        self.world.measure()

    def _lag(self) -> None:
        for node in self.world.nodes:
            node.behind = self.draw.choice((0, 0, 1, 2))

    # Venues.

    def _of_venues(self) -> list[tuple[float, str, Deed]]:
        deeds: list[tuple[float, str, Deed]] = []
        ready = self.world.creditable()
        if ready:
            deeds.append((4.0, "deposit credited", lambda: self._credit(self.draw.choice(ready))))
        for venue in self.world.exchanges:
            deeds.append((0.2, "market moves", lambda name=venue: self._move_market(name)))
            if self.world.withdrawable(venue) > 1000:
                deeds.append((3.0, "venue pays", lambda name=venue: self._pay(name)))
        return deeds

    def _credit(self, deposit: tuple[str, str, int]) -> None:
        venue, txid, vout = deposit
        self.world.exchanges[venue].credit_deposit(txid, vout)

    def _move_market(self, venue: str) -> None:
        ppm = self.draw.randrange(970_000, 1_030_000)
        self.world.quote(venue, ppm, self.draw.choice((100_000, 3_000_000, 10_000_000_000)))

    def _pay(self, venue: str) -> None:
        most = self.world.withdrawable(venue)
        self.world.wire(venue, self.draw.choice((most, max(1, most // 2))))

    # The bank, and who speaks with it.

    def _of_bank(self) -> list[tuple[float, str, Deed]]:
        world, bank = self.world, self.world.bank
        deeds: list[tuple[float, str, Deed]] = []
        if world.wired:
            deeds.append((2.0, "payouts made", lambda: world.command("payout", world.make_payouts)))
            deeds.append((0.5, "payouts sent", lambda: world.command("send", world.send_payouts)))
        if world.outbox.is_dir():
            deeds.append((2.0, "bank reads", self._order))
        if bank.ordered:
            deeds.append((3.0, "bank decides", self._decide))
            deeds.append((0.7, "bank pays in one sum", self._book_in_one_sum))
        kept = sorted(bank.paid.keys() - bank.returned)
        if kept:
            deeds.append((0.3, "money comes back",
                          lambda: bank.give_back(self.draw.choice(kept))))  # fmt: skip
        if bank.told:
            deeds.append((3.0, "bank tells", self._take))
        return deeds

    def _order(self) -> None:
        """The bank takes a file that lies in the folder, some of them again."""
        files = sorted(self.world.outbox.glob("*.xml"))
        if files:
            self.world.bank.order(self.draw.choice(files).read_bytes())

    def _decide(self) -> None:
        bank = self.world.bank
        bank.decide(self.draw.choice(sorted(bank.ordered)), reject=self.draw.random() < 0.25)

    def _book_in_one_sum(self) -> None:
        batches = sorted({id_.rsplit("-", 1)[0] for id_ in self.world.bank.ordered})
        self.world.bank.book_in_one_sum(self.draw.choice(batches))

    def _take(self) -> None:
        told = self.world.bank.told
        self._tell(self.draw.sample(told, self.draw.randint(1, min(5, len(told)))))

    def _tell(self, told: list[tuple[str, object]]) -> None:
        """An officer takes a file with some of what the bank did, perhaps again."""
        world = self.world
        lines = [one for one in told if one[0] == "camt.054"]
        rejected = [
            (line.end_to_end_id, "RJCT") for kind, line in told
            if kind == "pain.002" and isinstance(line, Line)
        ]  # fmt: skip
        if lines:
            raw = told_file(lines)
            world.command("take", lambda: world.take(raw))
        if rejected:
            rejection = pain002(*rejected)
            world.command("take rejections", lambda: world.take(rejection))

    # Officers of the sale.

    def _officers(self) -> None:
        """Two officers look at what stands still, and decide."""
        owner = self.world.ground.owner
        with owner.connect() as connection:
            lots = [one.lot for one in read_unfinished(connection)]
        for lot in lots:
            if lot.state not in WAITING:
                continue
            released = lot.state in {LotState.HELD, LotState.REFUSED}
            act = Act.RELEASE if released else Act.RESUME
            if not self.world.is_calm and self.draw.random() < 0.1:
                act = Act.WRITE_OFF
            try:
                document = document_of(lot, act, "seen and decided")
                with owner.begin() as connection:
                    carry_out(connection, document, Approval("1", b"1"), Approval("2", b"2"),
                              self.world.clock.now_us())  # fmt: skip
            except (ResolutionError, LotMovedError) as void:
                self.fates.say("void", type(void).__name__)
            else:
                self.world.ground.park.wrote = True

    # The end.

    def _end(self) -> None:
        """Go on in rounds, and see that everything comes to its end."""
        found = sum(len(front.blocks) for front in self.world.fronts)
        if not found and self.world.fronts[0].is_up:
            self._shares(self.world.fronts[0])
        for turn in range(ROUNDS_MAX):
            if turn == ROUGH_ROUNDS:
                self._calm()
            self.fates.say("ROUND", turn)
            self._round(turn)
            self.told.steps += 1
            if turn < ROUGH_ROUNDS and self.fates.faults_left:
                continue
            if self._is_over():
                check_end(self.world)
                self.told.is_ended = True
                return
        raise BrokenError(f"the story does not come to its end: {self._stand()}")

    def _calm(self) -> None:
        world = self.world
        self.fates.calm()
        world.is_calm = True
        if self._fallen:
            self._fallen = []
        for node in world.nodes:
            node.behind = 0
        for venue in world.exchanges:
            world.quote(venue)

    def _round(self, turn: int) -> None:
        """Let everybody outside, then every process, do what is due."""
        world = self.world
        if not world.is_calm and self.draw.random() < 0.2:
            self._reject = not self._reject
        for ready in world.unmined()[:1]:
            world.accept(*ready)
        self.scheduler.advance(DAY_S if turn == 3 else 61 if turn % 2 else 400)
        self._mine(4 if turn < 5 else 1)
        for front in world.fronts:
            if not front.is_up:
                front.begin()
            front.tell_time()
        for deposit in world.creditable():
            self._credit(deposit)
        self._officers()
        self._run_all()
        self._settle_at_bank()

    def _run_all(self) -> None:
        world = self.world
        for name in self._mains:
            if not world.running[name].is_alive:
                self._start(name)
        for venue in world.exchanges:
            if world.withdrawable(venue) > 0:
                world.wire(venue, world.withdrawable(venue))
        if world.wired:
            world.command("payout", world.make_payouts)
        for process in list(self.scheduler.processes):
            for _ in range(2):
                if process.is_alive and not process.is_idle():
                    self._wake(process)
                    self._look()

    def _settle_at_bank(self) -> None:
        bank = self.world.bank
        for path in sorted(self.world.outbox.glob("*.xml")):
            bank.order(path.read_bytes())
        for id_ in sorted(bank.ordered):
            bank.decide(id_, reject=self._reject and not self.world.is_calm)
        if bank.told:
            self._tell(list(bank.told))

    def _is_over(self) -> bool:
        """Whether nothing is left that anybody has to do."""
        return not any(self._stand().values())

    def _stand(self) -> dict[str, int]:
        ask = self.world.ground.watch.ask
        settled = dict(ask("SELECT instance, next_sequence FROM journal_positions"))
        return {
            "shares": sum(len(one.on_disk()) - settled.get(one.number, 0)
                          for one in self.world.fronts),
            "pending": ask("SELECT count(*) FROM blocks WHERE state = "
                           f"'{BlockState.PENDING}'")[0][0],
            "unlotted": ask("SELECT count(*) FROM blocks WHERE state = 'mature' AND NOT alarm AND "
                            "NOT EXISTS (SELECT FROM lots WHERE block_hash = hash)")[0][0],
            "lots": ask("SELECT count(*) FROM lots WHERE state NOT IN "
                        "('settled', 'written_off', 'orphaned')")[0][0],
            "unpaid": ask("SELECT count(*) FROM account_balances WHERE class = 'participant:kgs' "
                          f"AND posted - leaving >= {RULE.rule.threshold_tyiyn}")[0][0],
            "payouts": ask("SELECT count(*) FROM payouts WHERE state = 'pended'")[0][0],
            "untold": sum(
                1 for reference in self.world.wired
                if not ask("SELECT 1 FROM bank_entries WHERE outcome = 'venue_credited' AND "
                           f"reference = '{reference}'")
            ),
        }  # fmt: skip
