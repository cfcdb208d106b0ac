"""Wiring and lifecycle: what a running wirewatch is made of, how it starts, reloads and stops.

The only room that knows apscheduler, and the only one with a clock. Every fact that a service returns is said
aloud here, once. Decides nothing about stories.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from urllib.parse import urlsplit

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from monitor import __version__, backfill, crash, operator, reload
from monitor.channels import open_senders
from monitor.clock import Clock, SteadyClock, system_clock
from monitor.config import ChannelConfig, Config
from monitor.config_file import is_loopback
from monitor.core.pace import ASKED_AT_MOST, GONE_LATER, LONGEST_RETRY, turns
from monitor.core.parse import parse_fast, parse_slow
from monitor.core.pipeline import Policy
from monitor.core.render import rfc3339
from monitor.dispatch import Dispatcher, Ways
from monitor.edges.child import ChildPool
from monitor.edges.fetch import Fetcher, FetchSettings
from monitor.edges.heartbeat import ping
from monitor.edges.metrics import Metrics
from monitor.edges.send import Sender, least_gap
from monitor.edges.systemd import Notifier
from monitor.errors import ConfigError, DeliveryError, StoreError
from monitor.ingest import Ingest, Pacing
from monitor.logs import keep_secret, say, say_counted, say_fact
from monitor.model import (
    Ask,
    Attempted,
    Feed,
    Feedback,
    FeedChecked,
    Fetched,
    NetworkChanged,
    ParsedFeed,
    Reloaded,
    Swept,
)
from monitor.pulse import Pulse
from monitor.reload import InForce
from monitor.status import status_of
from monitor.store import channels, due, feedback, feeds, hosts, meta, outbox
from monitor.store.channels import Recipients
from monitor.store.database import Database
from monitor.upkeep import sweep
from monitor.writer import Writer

TICK = timedelta(seconds=1)
TURNS = {"feeds": timedelta(minutes=1), "outbox": timedelta(minutes=1), "writer": timedelta(seconds=90)}
"""Longest times between two turns: two parts tick every second, the writer has work every 15 s; each may wait half a
minute for another process's lock."""
SWEEP_EVERY = timedelta(hours=24)
CLOCK_WATCH = timedelta(seconds=5)
CLOCK_JUMP = timedelta(minutes=1)  # less is an ordinary correction
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # no clock that is set shows less
LONGEST_HOLD = timedelta(hours=26)  # until the next time of day, on the longest day
SPREAD = timedelta(minutes=6)  # over which feeds that are all overdue take their turns (design: B2, five at least)
STANDSTILL = 5.0  # seconds without a look at the clock, and more than CLOCK_JUMP by it: the process was stopped
WATCH = timedelta(seconds=2)  # between looks at the watchlists folder
DRAIN_PATIENCE = timedelta(seconds=20)  # less than systemd's TimeoutStopSec
PARSE_DEADLINE = timedelta(seconds=20)
FAST_PATH_BYTES = 4_000_000  # larger documents go to the child process at once


class App:
    """A wirewatch that holds its database. Use `async with App(in_force) as app`, then `poll` or `run`."""

    def __init__(
        self,
        in_force: InForce,
        *,
        clock: Clock = system_clock,
        speed: float = 1.0,
        ticks: Callable[[], float] = time.monotonic,
        notifier: Notifier | None = None,
    ):
        """`speed`: how many times faster than the wall's the clock goes (tests); waits are shortened by it. `ticks` is
        the clock that never jumps."""
        self.in_force = in_force
        self.clock, self._speed = clock, speed
        self._steady = SteadyClock(clock(), speed, ticks)
        self.notifier = notifier or Notifier(None)
        self.metrics, self._pulse = Metrics(), Pulse(TURNS, steady=time.monotonic)
        self.metrics.build.info({"version": __version__})
        self._feedback_key = b""
        self._stack = contextlib.AsyncExitStack()
        self._stopping = asyncio.Event()
        self.fetcher: Fetcher | None = None
        self._senders: dict[str, Sender] = {}
        self._gaps: dict[str, timedelta] = {}
        self._watched: reload.Fingerprint = ()
        self._told_of_database = False
        self._spread_at: datetime | None = None
        self._reloading = asyncio.Lock()
        self._reloads: set[asyncio.Task[Reloaded]] = set()
        self._on_checked: list[Callable[[FeedChecked], None]] = []

    # ── lifecycle ────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> App:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        config = self.in_force.config
        self.database = Database.open(config.database)
        self._stack.callback(self.database.close)
        self.writer = Writer(self.database, around=self._writing)
        self._stack.callback(self.writer.close)
        await self._use_fetcher(config)
        self.children = await self._stack.enter_async_context(ChildPool())
        self._use_senders(open_senders(config.channels, config.path, state_dir=config.state_dir), config)
        self._feedback_key = await self.writer.run(_feedback_key)
        self.policy = self._policy(self.in_force)
        self.ingest = self._ingest()
        self.dispatcher = Dispatcher(
            self.writer, self._senders, self._gaps, ways=self._ways, clock=self.clock, say=self._say_attempted
        )
        self._watched = self.in_force.fingerprint
        await self.writer.run(self._prepare_database)
        await self._backfill()

    async def __aexit__(self, *exc_info: object) -> None:
        await self._drain()
        await self._stack.aclose()

    async def _drain(self) -> None:
        """Save what has been read, settle what is being sent; doing it twice is harmless."""
        await self.ingest.stop()
        await self.dispatcher.stop(DRAIN_PATIENCE)

    async def poll(self, *, only: Iterable[str] | None = None, everything: bool = False) -> tuple[FeedChecked, ...]:
        """One pass: check what is due (or `everything`, or the feeds named), judge, deliver what can go now.

        Returns one fact a feed that was checked.
        """
        checked: list[FeedChecked] = []
        self._on_checked.append(checked.append)
        configured = self._feeds()
        await self.ingest.start(
            configured, limit=len(configured), only=only, ignore_schedule=everything or only is not None
        )
        await self.ingest.finish()
        await self._tell_operator()
        await self.dispatcher.drain()
        await self.writer.run(meta.put, "last_poll", {"at": rfc3339(self.clock())})
        await self._sweep_if_due()
        return tuple(checked)

    async def run(self) -> None:
        """The daemon: ticks until SIGTERM or SIGINT, then drains."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        await self._await_clock()
        await self._spread_overdue()
        self._steady.look(self.clock())
        scheduler = self._scheduler()
        scheduler.start()
        async with contextlib.AsyncExitStack() as stack:
            watching = asyncio.create_task(self._watch_clock(scheduler))
            stack.callback(watching.cancel)
            await self.writer.run(self._record_tick, _recipients(self._senders))
            await self._open_page(stack)
            say(
                "started",
                version=__version__,
                pid=os.getpid(),
                feeds=len(self._feeds()),
                watchlists=len(self.in_force.watchlists),
            )
            self.notifier.tell("READY=1", f"STATUS={self._status_line()}")
            await self._stopping.wait()
            crash.reach("draining")
            self.notifier.tell("STOPPING=1")
            scheduler.shutdown(wait=False)
            await self._drain()
        say("stopped")

    async def _await_clock(self) -> None:
        """A machine without a battery starts in 1970: until the time is set, every date would be wrong."""
        while self.clock() < EARLIEST and not self._stopping.is_set():
            say("clock_unset", level=logging.WARNING, shows=rfc3339(self.clock()))
            self.notifier.tell("STATUS=waiting for the clock to be set")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), CLOCK_WATCH.total_seconds() / self._speed)

    async def _watch_clock(self, scheduler: AsyncIOScheduler) -> None:
        """After a jump the ticker's jobs wait for the old time: give them a new turn."""
        while True:
            await asyncio.sleep(CLOCK_WATCH.total_seconds() / self._speed)
            if await self._mind_clock():
                for job in scheduler.get_jobs():
                    job.reschedule(job.trigger)

    async def _mind_clock(self) -> bool:
        """Whether the clock has jumped since the last look, or nobody looked for long (the machine slept, the process
        was stopped); what is due is then mended, before anything is claimed."""
        jump, stood = self._steady.look(self.clock())
        asleep = stood.total_seconds() > STANDSTILL and stood * self._speed > CLOCK_JUMP
        if abs(jump) <= CLOCK_JUMP and not asleep:
            return False
        if abs(jump) > CLOCK_JUMP:
            say("clock_jumped", level=logging.WARNING, seconds=round(jump.total_seconds()))
        else:
            say("stood_still", level=logging.WARNING, seconds=round(stood.total_seconds()))
        if jump < -CLOCK_JUMP:
            await self.writer.run(due.shift, jump)
            self.fetcher.restore(self.fetcher.holds, by=jump)
        else:
            await self._spread_overdue()
        return True

    async def _spread_overdue(self) -> None:
        """Let feeds that are all overdue take turns; not again before those turns are over, lest none has one."""
        now = self.clock()
        if self._spread_at is None or not timedelta(0) <= now - self._spread_at < SPREAD:
            self._spread_at = now
            await self.writer.run(due.spread_overdue, now, self._turns)

    def _turns(self, overdue: Iterable[str]) -> dict[str, timedelta]:
        """When each of feeds that are all overdue has its turn; none waits for longer than its interval."""
        configured = self._feeds()
        return {
            name: min(wait, configured[name].interval) if name in configured else wait
            for name, wait in turns(overdue, SPREAD).items()
        }

    def _hang_up(self) -> None:
        reload_task = asyncio.ensure_future(self.reload_all())
        self._reloads.add(reload_task)  # a task that nobody holds may be collected before it is done
        reload_task.add_done_callback(self._reloads.discard)

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    # ── ticks ────────────────────────────────────────────────────────────────────────────────────

    def _scheduler(self) -> AsyncIOScheduler:
        """The ticker: a handful of jobs, never one per feed. A tick claims and starts tasks; it awaits no fetch."""
        scheduler = AsyncIOScheduler(
            timezone=self.in_force.config.zone,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        scheduler.add_listener(self._say_tick_failed, EVENT_JOB_ERROR)
        for job, every in (
            (self._feed_tick, TICK),
            (self._outbox_tick, TICK),
            (self._watch_tick, WATCH),
            (self._heartbeat, timedelta(seconds=15)),
            (self._operator_tick, timedelta(minutes=1)),
            (self._sweep_if_due, timedelta(minutes=10)),
        ):
            seconds = every.total_seconds() / self._speed
            scheduler.add_job(job, "interval", seconds=seconds, id=job.__name__.strip("_"))
        return scheduler

    async def _feed_tick(self) -> None:
        await self._mind_clock()
        room = 2 * self.in_force.config.polling.concurrency - self.ingest.running
        with self.database.read() as tx:
            wanted = room > 0 and feeds.any_due(tx, self.clock())
        if wanted:
            await self.ingest.start(self._feeds(), limit=room)
        self._pulse.beat("feeds")

    async def _outbox_tick(self) -> None:
        await self.dispatcher.tick()
        self._pulse.beat("outbox")

    async def _watch_tick(self) -> None:
        seen = reload.fingerprint(self.in_force.config.watchlists)
        if seen != self._watched:
            self._watched = seen
            await self._swap(lambda: reload.read_watchlists(self.in_force.config))

    async def _heartbeat(self) -> None:
        say_counted()
        try:
            await self.writer.run(self._record_tick, _recipients(self._senders))
        except StoreError as error:
            await self._tell_of_database(error)
            raise
        self._told_of_database = False
        self.notifier.tell("WATCHDOG=1", f"STATUS={self._status_line()}")

    async def _tell_of_database(self, error: StoreError) -> None:
        """What cannot go through the outbox goes directly, once: better twice after a crash than not at all."""
        if self._told_of_database:
            return
        self._told_of_database = True
        for one in operator.of_the_database(str(error), self.policy.channels, now=self.clock()):
            try:
                await self._senders[one.channel].send(one)
            except DeliveryError as failed:
                say("operator_not_told", level=logging.ERROR, channel=one.channel, error=str(failed))

    async def _tell_operator(self) -> None:
        policy, now, config = self.policy, self.clock(), self.in_force.config
        intervals = {feed.name: feed.interval for feed in config.feeds}
        usual = config.polling.interval
        await self.writer.run(
            lambda tx: operator.tell(
                tx, policy.channels, zone=policy.zone, now=now, interval=usual, intervals=intervals
            )
        )

    async def _operator_tick(self) -> None:
        """Tell the operator what is new, and the dead man's switch that all is well."""
        await self._tell_operator()
        now = self.clock()
        address = self.in_force.config.heartbeat.get_secret_value()
        with self.database.read() as tx:
            well = bool(address) and operator.is_well(tx, now)
        trouble = await ping(address) if well else None
        if trouble:
            say("heartbeat_failed", level=logging.WARNING, error=trouble)

    async def _sweep_if_due(self) -> None:
        """Retention, once a day, whether a daemon runs or a timer polls."""
        config, now = self.in_force.config, self.clock()
        with self.database.read() as tx:
            last = meta.get_all(tx).get("last_sweep")
        if last and now - datetime.fromisoformat(last["at"]) < SWEEP_EVERY:
            return

        def sweep_and_note(tx) -> Swept:
            meta.put(tx, "last_sweep", {"at": rfc3339(now)})
            return sweep(tx, now, keep=config.archive.keep, story_window=config.alerts.story_window)

        swept = await self.writer.run(sweep_and_note)
        if swept != Swept():
            say_fact(swept)

    # ── reload ───────────────────────────────────────────────────────────────────────────────────

    async def reload_all(self) -> Reloaded:
        """Read configuration and watchlists again (SIGHUP)."""
        self.notifier.tell("RELOADING=1")
        self._watched = reload.fingerprint(self.in_force.config.watchlists)  # before reading: an edit since is seen
        reloaded = await self._swap(lambda: reload.read_all(self.in_force.config.path))
        self.notifier.tell("READY=1", f"STATUS={self._status_line()}")
        return reloaded

    async def _swap(self, read: Callable[[], InForce]) -> Reloaded:
        """Build the new set off the event loop; swap it in whole, or keep the old one and say why. One at a time: a
        slow reading must not put back what a later one replaced."""
        async with self._reloading:
            reloaded = await self._swap_alone(read)
        await self.writer.run(meta.put, "last_reload", self._reload_note(reloaded))
        self._say_reloaded(reloaded)
        return reloaded

    async def _swap_alone(self, read: Callable[[], InForce]) -> Reloaded:
        try:
            fresh = await asyncio.to_thread(read)
            for key, now, then in _needing_restart(fresh.config, self.in_force.config):
                if now != then:
                    says = f"{key} changed; it takes effect when wirewatch is restarted"
                    say("reload_partial", level=logging.WARNING, problem=says)
            if fresh.config.database != self.in_force.config.database:
                fresh = replace(fresh, config=replace(fresh.config, database=self.in_force.config.database))
            await self._put_in_force(fresh)
            return Reloaded(ok=True, watchlists=len(fresh.watchlists))
        except ConfigError as error:
            problems = tuple(map(str, error.problems))
        except Exception as error:  # whatever it was: the old set stays in force, and it is told
            problems = (f"{type(error).__name__}: {error}",)
        return Reloaded(ok=False, watchlists=len(self.in_force.watchlists), problems=problems)

    async def _put_in_force(self, fresh: InForce) -> None:
        if fresh.config is not self.in_force.config:
            await self._use_config(fresh.config)
        self.policy = replace(self._policy(fresh), loaded_at=self.policy.loaded_at)
        self.in_force = fresh
        await self._backfill()

    async def _backfill(self) -> None:
        """Remember the watchlists in force; those that are new or changed may ask for the stories of the archive."""
        try:
            done, loaded_at = await self.writer.run(backfill.remember, self.policy, self.clock())
        except Exception as error:  # nothing is remembered then, so the next reload or start looks back
            say("backfill_failed", level=logging.ERROR, error=f"{type(error).__name__}: {error}")
        else:
            self.policy = replace(self.policy, loaded_at=loaded_at)
            if done.watchlists:
                say_fact(done)

    async def _use_config(self, config: Config) -> None:
        """What can fail stands before anything live is touched. Old senders and fetchers stay open for what is under
        way; they are closed with everything else."""
        senders = open_senders(config.channels, config.path, state_dir=config.state_dir)
        await self.writer.run(self._register, config, _recipients(senders))
        keep_secret(config.secrets)
        self._use_senders(senders, config)
        if _fetch_settings(config) != _fetch_settings(self.in_force.config):
            await self._use_fetcher(config)

    async def _use_fetcher(self, config: Config) -> None:
        """A fetcher that knows which hosts asked for peace, from an earlier run or an earlier configuration."""
        if self.fetcher is None:
            with self.database.read() as tx:
                holds = hosts.list_holds(tx)
        else:
            holds = self.fetcher.holds
        fetcher = Fetcher(_fetch_settings(config), now=self.clock)
        fetcher.restore(holds)
        self.fetcher = await self._stack.enter_async_context(fetcher)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _use_senders(self, senders: dict[str, Sender], config: Config) -> None:
        for sender in senders.values():
            self._stack.push_async_callback(sender.close)
        self._senders.clear()
        self._senders.update(senders)
        self._gaps.clear()
        self._gaps.update({channel.name: _gap(channel) / self._speed for channel in config.channels})

    def _policy(self, in_force: InForce) -> Policy:
        config = in_force.config
        return Policy(
            watchlists=in_force.watchlists,
            compiled=in_force.compiled,
            origins=config.origins,
            routes=config.routes,
            channels=tuple(
                channel.record(tuple(sender.recipients), edits=sender.edits, idempotent=sender.idempotent)
                for channel in config.channels
                for sender in (self._senders[channel.name],)
            ),
            zone=config.zone,
            language=config.monitor.language,
            base_url=config.alerts.base_url,
            feedback_key=self._feedback_key,
            backlog=config.alerts.backlog,
            backlog_max=config.alerts.backlog_max,
            singles_per_hour=config.alerts.singles_per_hour,
        )

    def _ways(self) -> Ways:
        return Ways(
            channels={channel.name: channel for channel in self.policy.channels},
            zone=self.policy.zone,
            collapse_above=self.in_force.config.alerts.collapse_above,
        )

    def _ingest(self) -> Ingest:
        return Ingest(
            self.writer,
            self._fetch,
            self._parse,
            policy=lambda: self.policy,
            pacing=lambda: _pacing(self.in_force.config),
            clock=self.clock,
            say=self._say_checked,
            turns=self._turns,
            holds=lambda: self.fetcher.holds,
            offline_since=self._offline_since(),
        )

    def _offline_since(self) -> datetime | None:
        with self.database.read() as tx:
            since = meta.get_all(tx).get("offline", {}).get("since")
        return datetime.fromisoformat(since) if since else None

    async def _fetch(self, feed: Feed, ask: Ask):
        with self.metrics.fetching.time():
            return await self.fetcher.fetch(
                ask.url or feed.url,
                validators=ask.validators,
                validators_url=ask.validators_url,
                headers=feed.headers,
                own_port=_own_port(feed, ask),
            )

    async def _parse(self, answer: Fetched) -> ParsedFeed:
        """The fast path in a thread; what it refuses, or what is large, in a child that can be killed."""
        if len(answer.body) <= FAST_PATH_BYTES:
            parsed = await asyncio.to_thread(parse_fast, answer.body, url=answer.url, content_type=answer.content_type)
            if parsed is not None:
                return parsed
        return await self.children.run(
            parse_slow, answer.body, answer.url, answer.content_type, deadline=PARSE_DEADLINE
        )

    async def _open_page(self, stack: contextlib.AsyncExitStack) -> None:
        listen = self.in_force.config.web.listen
        if listen:
            from monitor.web.page import serve_page

            try:
                address = await stack.enter_async_context(serve_page(listen, self._behind_the_page()))
            except OSError as error:  # alerts matter more than the page
                say("status_page_failed", level=logging.ERROR, listen=listen, error=str(error))
            else:
                say("status_page", address=address)

    def _behind_the_page(self):
        from monitor.web.behind import Behind

        config = self.in_force.config
        return Behind(
            database=self.database,
            clock=self.clock,
            zone=config.zone,
            only_here=is_loopback(config.web.listen),
            token=config.token.get_secret_value(),
            base_url=lambda: self.policy.base_url,
            feedback_key=lambda: self._feedback_key,
            watchlists=lambda: self.in_force.watchlists,
            standing_still=self.standing_still,
            metrics=self.series,
            reload=self.reload_all,
            judge=self._judge,
        )

    def standing_still(self) -> tuple[str, ...]:
        """Which parts of the daemon do, as sentences."""
        full = ("writer: the database cannot be written",) if self._told_of_database else ()
        ages = self._pulse.ages()
        return (*full, *(f"{part}: nothing done for {ages[part]:.0f} seconds" for part in self._pulse.stuck()))

    async def series(self) -> bytes:
        """The metrics, in Prometheus' text format."""

        def look() -> tuple:
            with self.database.read() as tx:
                return status_of(tx, self.database.url, now=self.clock(), pid=None), feeds.list_feeds(tx)

        self.metrics.look(*await asyncio.to_thread(look), self._pulse.ages())
        return self.metrics.shown()

    async def _judge(self, alert: str, verdict: Feedback) -> tuple[str, str] | None:
        noted = await self.writer.run(feedback.note, alert, verdict, self.clock())
        if noted:
            say("judged", alert=noted[0], watchlist=noted[1], verdict=verdict)
        return noted

    def _feeds(self) -> dict[str, Feed]:
        return {feed.name: feed for feed in self.in_force.config.feeds}

    # ── the database and what is said ────────────────────────────────────────────────────────────

    def _prepare_database(self, tx) -> None:
        """What only the holder of the instance lock may do: take up what a dead instance left."""
        now = self.clock()
        feeds.release_leases(tx)
        self._mend_times(tx, now)
        recovered = outbox.recover(tx, now, asking=self._ways().asking)
        if recovered:
            say("recovered", deliveries=recovered)
        self._register(tx, self.in_force.config, _recipients(self._senders))
        meta.put(tx, "started", {"at": rfc3339(now), "pid": os.getpid(), "version": __version__})
        reloaded = Reloaded(ok=True, watchlists=len(self.in_force.watchlists))
        meta.put(tx, "last_reload", self._reload_note(reloaded))
        self.metrics.reloaded(reloaded, now.timestamp())

    def _mend_times(self, tx, now: datetime) -> None:
        """The clock may have been set, back or forth, while nobody ran."""
        config, last = self.in_force.config, meta.get_all(tx).get("last_tick")
        behind = datetime.fromisoformat(last["at"]) - now if last else timedelta(0)
        if behind > CLOCK_JUMP:
            say("clock_jumped", level=logging.WARNING, seconds=-round(behind.total_seconds()))
            due.shift(tx, -behind)
        longest_wait = max([LONGEST_RETRY, *(route.group_wait for route in config.routes)])
        due.clamp(
            tx,
            checks_by=now + max(config.polling.max_interval, GONE_LATER * 1.1),
            attempts_by=now + longest_wait,
            pauses_by=now + ASKED_AT_MOST,
            held_by=now + LONGEST_HOLD,
        )

    def _register(self, tx, config: Config, known: Recipients) -> None:
        feeds.register(tx, config.feeds, self.clock())
        outbox.cancel_unknown(tx, known)
        channels.forget_unknown(tx, known)
        channels.probe_all(tx)  # what was broken may just have been mended

    def _record_tick(self, tx, known: Recipients) -> None:
        outbox.cancel_unknown(tx, known)  # also what was being sent while its channel was removed
        meta.put(tx, "last_tick", {"at": rfc3339(self.clock()), "pid": os.getpid()})

    def _reload_note(self, reloaded: Reloaded) -> dict:
        return {"ok": reloaded.ok, "at": rfc3339(self.clock()), "problems": list(reloaded.problems)}

    def _status_line(self) -> str:
        return f"{len(self._feeds())} feeds, {len(self.in_force.watchlists)} watchlists"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Around each write transaction, in the writer's thread."""
        with self.metrics.writing.time():
            yield
        self._pulse.beat("writer")

    def _say_tick_failed(self, event: JobExecutionEvent) -> None:
        say("tick_failed", level=logging.ERROR, job=event.job_id, error=repr(event.exception))
        self.metrics.failed_ticks.labels(event.job_id).inc()

    def _say_reloaded(self, fact: Reloaded) -> None:
        say_fact(fact, level=logging.INFO if fact.ok else logging.ERROR)
        self.metrics.reloaded(fact, self.clock().timestamp())

    def _say_checked(self, fact: FeedChecked | NetworkChanged) -> None:
        if isinstance(fact, NetworkChanged):
            say_fact(fact, level=logging.INFO if fact.reachable else logging.ERROR)
            return
        self.metrics.checked(fact)
        quiet = fact.outcome == "held" or not (fact.new or fact.note)
        failed = fact.error and fact.outcome != "held"
        say_fact(fact, level=logging.WARNING if failed else logging.DEBUG if quiet else logging.INFO)
        for listener in self._on_checked:
            listener(fact)

    def _say_attempted(self, fact: Attempted) -> None:
        self.metrics.attempted(fact, self.clock().timestamp())
        say_fact(fact, level=logging.INFO if fact.outcome == "delivered" else logging.WARNING)


def _feedback_key(tx) -> bytes:
    """What signs the links by which readers judge alerts; made at the first start, and kept in the database."""
    kept = meta.get_all(tx).get("feedback_key")
    if kept is None:
        kept = secrets.token_hex(32)
        meta.put(tx, "feedback_key", kept)
    return bytes.fromhex(kept)


def _recipients(senders: Mapping[str, Sender]) -> Recipients:
    return {name: tuple(sender.recipients) for name, sender in senders.items()}


async def fetch_once(url: str, config: Config, feed: Feed | None = None) -> tuple[bytes, str]:
    """Fetch one document through the gate that all requests pass. Returns its bytes and final address.

    Raises FetchError.
    """
    async with Fetcher(_fetch_settings(config), now=system_clock) as fetcher:
        answer = await fetcher.fetch(url, headers=feed.headers if feed else (), own_port=urlsplit(url).port)
    return answer.body, answer.url


def _fetch_settings(config: Config) -> FetchSettings:
    polling = config.polling
    return FetchSettings(
        contact=polling.contact,
        timeout=polling.timeout,
        max_body=polling.max_body,
        concurrency=polling.concurrency,
        per_host=polling.per_host,
        host_gap=polling.host_gap,
        allow_networks=tuple(ip_network(network) for network in polling.allow_networks),
        allow_ports=polling.allow_ports,
    )


def _own_port(feed: Feed, ask: Ask) -> int | None:
    """The port that is allowed for this feed: its own, on its own host."""
    parts = urlsplit(feed.url)
    return parts.port if ask.url is None or urlsplit(ask.url).netloc == parts.netloc.rpartition("@")[2] else None


def _needing_restart(fresh: Config, old: Config) -> tuple[tuple[str, str, str], ...]:
    return (
        ("monitor.database", fresh.database, old.database),
        ("monitor.timezone of the status page", str(fresh.zone), str(old.zone)),
        ("web.listen", fresh.web.listen, old.web.listen),
        ("web.token", fresh.token, old.token),
    )


def _pacing(config: Config) -> Pacing:
    return Pacing(
        min_interval=config.polling.min_interval,
        max_interval=config.polling.max_interval,
        story_window=config.alerts.story_window,
        catch_up_after=config.alerts.catch_up_after,
    )


def _gap(channel: ChannelConfig) -> timedelta:
    asked = timedelta(minutes=1) / channel.settings.per_minute if channel.settings.per_minute else timedelta(0)
    return max(least_gap(channel.url.get_secret_value()), asked)
