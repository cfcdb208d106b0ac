"""Wiring and lifecycle: what a running wirewatch is made of, how it starts, reloads and stops.

The only room that knows apscheduler, and the only one with a clock. Every fact that a service returns is said
aloud here, once. Decides nothing about stories.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitor import __version__, again, backfill, crash, gate, operator, reload
from monitor.alarm import Alarm
from monitor.articles import GAP as ARTICLE_GAP
from monitor.articles import Articles
from monitor.channels import open_senders
from monitor.clock import Clock, system_clock
from monitor.config import ChannelConfig, Config, folder_in_memory
from monitor.config_file import is_loopback
from monitor.core.pipeline import Policy
from monitor.core.render import rfc3339
from monitor.dispatch import Dispatcher, Ways
from monitor.edges.child import ChildPool
from monitor.edges.fetch import Fetcher
from monitor.edges.heartbeat import ping
from monitor.edges.metrics import Metrics
from monitor.edges.send import Sender, least_gap
from monitor.edges.systemd import Notifier
from monitor.errors import ConfigError, InstanceRunning, SchemaError, StoreBusy, StoreDamaged, StoreError
from monitor.guard import Guard
from monitor.ingest import DOCUMENTS, Ingest
from monitor.logs import keep_secret, say, say_counted, say_fact
from monitor.model import (
    ArticleRead,
    Ask,
    Attempted,
    Feed,
    Feedback,
    FeedChecked,
    Fetched,
    NetworkChanged,
    NotModified,
    ParsedEntry,
    ParsedFeed,
    Reloaded,
    Swept,
)
from monitor.pulse import Pulse
from monitor.recording import Pacing
from monitor.reload import InForce
from monitor.room import Room
from monitor.status import status_of
from monitor.storage import Storage
from monitor.store import articles, channels, feedback, feeds, hosts, meta, outbox
from monitor.store.channels import Recipients
from monitor.store.letters import REMOVED
from monitor.timekeeping import Timekeeper
from monitor.upkeep import sweep
from monitor.writer import Writer

if TYPE_CHECKING:
    from apscheduler.events import JobExecutionEvent
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

TICK = timedelta(seconds=1)
QUEUE = 8  # checks of one host that are begun, for each request it may get at once: enough until the next tick
ROOM = 8  # checks that are begun, for each request there may be at once: most of them wait for a slow host
TOGETHER = timedelta(seconds=10)  # feeds that fall due within it are checked and saved together …
SMALL_PART = 30  # … or, where that is less, within this part of the shortest interval
LOOK = timedelta(seconds=5)  # for messages that a command has put into the outbox
ARTICLE_TICK = timedelta(seconds=3)  # sites are asked every 5 s at most
SWEEP_EVERY = timedelta(hours=24)
CLOCK_WATCH = timedelta(seconds=5)
PAGE_AGAIN = timedelta(minutes=1)  # between two tries to open a page whose port is taken
WATCH = timedelta(seconds=2)  # between looks at the watchlists folder
DRAIN_PATIENCE = timedelta(seconds=15)  # with all else less than 20, and that less than systemd's TimeoutStopSec
LONGEST_CHECKS = timedelta(minutes=10)  # without one that ends, while some are under way
ARTICLES_IN_A_POLL = timedelta(seconds=60)  # what is not read by then waits for the next pass
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
        accept_empty: bool = False,
        one_pass: bool = False,
    ):
        """`speed`: how many times faster than the wall's the clock goes (tests); waits are shortened by it. `ticks` is
        the clock that never jumps. `accept_empty`: begin anew where the database was lost, and tell nothing of what
        feeds show by now. `one_pass`: it is for `poll` alone."""
        self.in_force, self._one_pass = in_force, one_pass
        self.clock, self._speed = clock, speed
        self._ticks = ticks
        self.timekeeper = Timekeeper(
            lambda: self.in_force, clock=clock, speed=speed, ticks=ticks, say=say, put_back=self._put_holds_back
        )
        self._claimed_at = self._looked_at = -math.inf  # by ticks: all that was due was claimed; was there mail to send
        self._sends, self._written = False, True  # whether a message waits or is under way; any write since the look
        self.notifier = notifier or Notifier(None)
        self.metrics = Metrics()
        self.metrics.build.info({"version": __version__})
        self._feedback_key = b""
        self._stack = contextlib.AsyncExitStack()
        self._stopping = asyncio.Event()
        self._noting: asyncio.Task[None] | None = None  # the progress
        self.fetcher: Fetcher | None = None
        self._room = Room(DOCUMENTS)
        self._senders: dict[str, Sender] = {}
        self._gaps: dict[str, timedelta] = {}
        self._watched: reload.Fingerprint = ()
        self._accept_empty = accept_empty
        self.storage = Storage(in_force.config.database)
        self.guard = Guard(self.storage, self._alarm(), clock=clock, say=say, end=self.stop)
        turn = 3 * self.notifier.sign_of_life
        parts = {"feeds": turn, "outbox": turn, "writer": 2 * turn, "checks": LONGEST_CHECKS}
        self._pulse = Pulse(parts, steady=time.monotonic)
        self._refused: tuple[str, ...] = ()  # problems of the last reload
        self._page_trouble: str | None = None  # why there is no status page
        self._reloading = asyncio.Lock()
        self._reloads: set[asyncio.Task[Reloaded]] = set()
        self.alerts_beside = 0  # that a story's page led to, or the end of a quarantine, and no check
        self._on_checked: list[Callable[[FeedChecked], None]] = []

    # ── lifecycle ────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> App:
        try:
            await self._open()
        except BaseException as error:
            if isinstance(error, StoreError) and not isinstance(error, (InstanceRunning, SchemaError)):
                await self.guard.alarm.tell_once(error)  # nobody sees what a service says that does not start
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        config = self.in_force.config
        self._use_senders(open_senders(config.channels, config.path, state_dir=config.state_dir), config)
        self.policy = self._policy(self.in_force)
        self.database = self.storage.open(accept_empty=self._accept_empty, anew=self._reseed)
        self._stack.callback(self.database.close)
        self.writer = Writer(self.database, self.storage.make_room, around=self._writing)
        self._stack.callback(self.writer.close)
        self._feedback_key = await self.writer.run(_feedback_key)
        self.policy = self._policy(self.in_force)  # with that key; what the alarm needed before, it had
        await self._use_fetcher(config)
        self.children = await self._stack.enter_async_context(ChildPool())
        self.page_children = await self._stack.enter_async_context(ChildPool())  # no page keeps a feed waiting
        self.ingest = self._ingest()
        self.articles = self._articles()
        self.dispatcher = Dispatcher(
            self.writer,
            self._senders,
            self._gaps,
            ways=self._ways,
            clock=self.clock,
            say=self._say_attempted,
            refused=self._refused_to_save,
            stumbled=lambda channel, error: say("stumbled", level=logging.ERROR, channel=channel, fault=error),
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
        await self.articles.stop()
        with contextlib.suppress(StoreError):
            await self.ingest.keep_holds()
        await self.dispatcher.stop(DRAIN_PATIENCE)
        await self.guard.finish()

    async def poll(self, *, only: Iterable[str] | None = None, everything: bool = False) -> tuple[FeedChecked, ...]:
        """One pass: check what is due (or `everything`, or the feeds named), judge, deliver what can go now.

        Returns one fact a feed that was checked.
        """
        _spare_what_stays()
        checked: list[FeedChecked] = []
        self._on_checked.append(checked.append)
        configured = self.in_force.feeds
        await self._let_out()  # first, or a check begun before finds its feed in quarantine still
        await self.ingest.start(
            configured, limit=len(configured), only=only, ignore_schedule=everything or only is not None
        )
        await self.ingest.finish()
        self._raise_fatal()
        await self._tell_operator()
        await self.dispatcher.drain()
        if await self._read_articles():
            self._raise_fatal()
            await self.dispatcher.drain()
        await self.writer.run(meta.put, "last_poll", {"at": rfc3339(self.clock())})
        await self._sweep_if_due()
        return tuple(checked)

    async def _read_articles(self) -> int:
        """Read the pages that are due, each site's in its pace, for a minute at most. Returns how many."""
        until, done = self.clock() + ARTICLES_IN_A_POLL, 0
        while (due_at := self._next_article_at()) is not None and due_at <= until and self.clock() < until:
            wait = (due_at - self.clock()).total_seconds()
            if wait > 0:
                await asyncio.sleep(wait / self._speed)
            done += await self.articles.start()
            await self.articles.finish()
        return done

    def _next_article_at(self) -> datetime | None:
        with self.database.read() as tx:
            return articles.next_due_at(tx)

    async def run(self, hang_ups: Sequence[int] = ()) -> None:
        """The daemon: ticks until SIGTERM or SIGINT, then drains. `hang_ups` are the SIGHUPs so far."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stopping.set)
        await self.timekeeper.wait_until_set(self._wait_for_clock)
        await self.guard.look(self.database)
        await self.timekeeper.begin(self.writer)
        from monitor.core import extract, parse  # noqa: F401 (before there is work that loading them would hold up)

        _spare_what_stays()
        scheduler = self._scheduler()
        scheduler.start()
        async with contextlib.AsyncExitStack() as stack:
            watching = asyncio.create_task(self._watch_clock(scheduler))
            stack.callback(watching.cancel)
            await self.writer.run(self._record_tick, _recipients(self._senders))
            await self._open_page(stack)
            opening = asyncio.create_task(self._keep_opening_page(stack))
            stack.callback(opening.cancel)
            say(
                "started",
                version=__version__,
                pid=os.getpid(),
                feeds=len(self.in_force.feeds),
                watchlists=len(self.in_force.watchlists),
            )
            self.notifier.tell("READY=1", f"STATUS={self._status_line()}")
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
            if hang_ups:
                self._hang_up()
            await self._stopping.wait()
            crash.reach("draining")
            self.notifier.tell("STOPPING=1")
            scheduler.shutdown(wait=False)
            await self._drain()
        say("stopped")
        self._raise_fatal()

    def _raise_fatal(self) -> None:
        if self.guard.fatal is not None:
            raise self.guard.fatal

    async def _wait_for_clock(self) -> bool:
        self.notifier.tell("STATUS=waiting for the clock to be set")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), CLOCK_WATCH.total_seconds() / self._speed)
        return not self._stopping.is_set()

    async def _watch_clock(self, scheduler: AsyncIOScheduler) -> None:
        """After a jump the ticker's jobs wait for the old time: give them a new turn."""
        while True:
            await asyncio.sleep(CLOCK_WATCH.total_seconds() / self._speed)
            if await self.timekeeper.look(self.writer):
                for job in scheduler.get_jobs():
                    job.reschedule(job.trigger)

    def _hang_up(self) -> None:
        reload_task = asyncio.ensure_future(self.guard.minded(self.reload_all))
        self._reloads.add(reload_task)  # a task that nobody holds may be collected before it is done
        reload_task.add_done_callback(self._reloads.discard)

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    # ── ticks ────────────────────────────────────────────────────────────────────────────────────

    def _scheduler(self) -> AsyncIOScheduler:
        """The ticker: a handful of jobs, never one per feed. A tick claims and starts tasks; it awaits no fetch."""
        from apscheduler.events import EVENT_JOB_ERROR  # one pass needs no ticker
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        scheduler = AsyncIOScheduler(
            timezone=self.in_force.config.zone,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        scheduler.add_listener(self._say_tick_failed, EVENT_JOB_ERROR)
        for job, every in (
            (self._feed_tick, TICK),
            (self._outbox_tick, TICK),
            (self._article_tick, ARTICLE_TICK),
            (self._watch_tick, WATCH),
            (self._heartbeat, self.notifier.sign_of_life),
            (self._operator_tick, timedelta(minutes=1)),
            (self._upkeep_tick, timedelta(minutes=10)),
        ):
            seconds = every.total_seconds() / self._speed
            scheduler.add_job(self._until_stopped(job), "interval", seconds=seconds, id=job.__name__.strip("_"))
        return scheduler

    def _until_stopped(self, job: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """A job whose interruption by the end of the daemon is no failure of it."""

        async def work() -> None:
            try:
                await job()
            except asyncio.CancelledError:
                if not self._stopping.is_set():
                    raise

        return work

    async def _feed_tick(self) -> None:
        await self._turn("feeds", self._poll_due, allowed=self.storage.polls)
        if not self.ingest.running:
            self._pulse.beat("checks")

    async def _poll_due(self) -> None:
        await self.timekeeper.look(self.writer)
        await self.timekeeper.polls_again(self.writer)
        polling = self.in_force.config.polling
        room, per_host = ROOM * polling.concurrency - self.ingest.running, QUEUE * polling.per_host
        together = min(TOGETHER, polling.min_interval / SMALL_PART)
        if room <= 0 or not self._is_over(together, self._claimed_at):
            return
        with self.database.read() as tx:
            under_way = self.ingest.under_way
            wanted = feeds.any_due(tx, self.clock(), under_way=under_way, per_host=per_host)
        if not wanted:
            return
        claimed = await self.ingest.start(self.in_force.feeds, limit=room, per_host=per_host)
        queues = feeds.checks_by_host(self.ingest.under_way).values()
        if claimed < room and max(queues, default=0) < per_host:  # all that was due
            self._claimed_at = self._ticks()

    def _is_over(self, span: timedelta, since: float) -> bool:
        """Whether so much time has passed since then."""
        return (self._ticks() - since) * self._speed >= span.total_seconds()

    async def _outbox_tick(self) -> None:
        await self._turn("outbox", self._send_due, allowed=self.storage.sends)

    async def _send_due(self) -> None:
        """Nothing comes to be sent but by a write: one of ours, or now and then one of a command."""
        if not (self._sends or self._written or self._is_over(LOOK, self._looked_at)):
            return
        self._written, self._looked_at = False, self._ticks()
        with self.database.read() as tx:
            self._sends = outbox.any_open(tx)
        if self._sends:
            await self.dispatcher.tick()

    async def _turn(self, part: str, work: Callable[[], Awaitable[None]], *, allowed: bool) -> None:
        """One turn of a half of the line. One that the database refuses is a turn, too: a restart would not help."""
        if allowed:
            await self.guard.minded(work)
        self._pulse.beat(part)

    async def _article_tick(self) -> None:
        if self.storage.polls:
            await self.guard.minded(self._start_due_articles)

    async def _start_due_articles(self) -> None:
        due_at = self._next_article_at()
        if due_at is not None and due_at <= self.clock():
            await self.articles.start()

    async def _let_out(self) -> None:
        """What the operator let out of quarantine is judged."""
        for feed, alerts in await self.writer.run(again.let_out, self.policy, self.clock()):
            say("let_out", feed=feed, alerts=alerts)
            self.metrics.alerts.inc(alerts)
            self.alerts_beside += alerts

    async def _watch_tick(self) -> None:
        seen = reload.fingerprint(self.in_force.config.watchlists)
        if seen != self._watched:
            self._watched = seen
            await self._swap(lambda: reload.read_watchlists(self.in_force.config))

    async def _heartbeat(self) -> None:
        """Note the progress, and give systemd a sign of life where there was some; it does not wait for a note that
        others in the writer's queue hold up, each for half a minute where the database is locked."""
        say_counted()
        self.guard.mind_room()
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self.guard.minded(self._note_progress))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._noting), self.notifier.sign_of_life.total_seconds())
        self.guard.tell()
        if stuck := self._pulse.stuck():
            say("no_progress", level=logging.ERROR, parts=list(stuck))
        else:
            self.notifier.tell("WATCHDOG=1", f"STATUS={self._status_line()}")

    async def _note_progress(self) -> None:
        self.database.refuse_replaced()
        await asyncio.to_thread(self.database.keep_lock)
        await self.writer.run(self._record_tick, _recipients(self._senders))
        self.guard.worked()
        await self.ingest.let_go()

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
        if self.storage.sends:
            await self.guard.minded(self._tell_of_all)

    async def _tell_of_all(self) -> None:
        await self._let_out()
        await self._tell_operator()
        now = self.clock()
        address = self.in_force.config.heartbeat.get_secret_value()
        with self.database.read() as tx:
            well = bool(address) and self.storage.polls and operator.is_well(tx, now)
        trouble = await ping(address) if well else None
        if trouble:
            say("heartbeat_failed", level=logging.WARNING, error=trouble)

    async def _upkeep_tick(self) -> None:
        await self.guard.minded(self._sweep_if_due)

    async def _sweep_if_due(self) -> None:
        """Retention and a look at every page, once a day, whether a daemon runs or a timer polls."""
        config, now = self.in_force.config, self.clock()
        with self.database.read() as tx:
            last = meta.get_all(tx).get("last_sweep")
        ago = now - datetime.fromisoformat(last["at"]) if last else SWEEP_EVERY
        if timedelta(0) <= ago < SWEEP_EVERY:  # less than nothing: by a clock that was ahead
            return

        def sweep_and_note(tx) -> Swept:
            meta.put(tx, "last_sweep", {"at": rfc3339(now)})
            return sweep(tx, now, keep=config.archive.keep, story_window=config.alerts.story_window)

        swept = await self.writer.run(sweep_and_note)
        if swept != Swept():
            say_fact(swept)
        await self.guard.look_at_pages(self.database)

    # ── reload ───────────────────────────────────────────────────────────────────────────────────

    async def reload_all(self) -> Reloaded:
        """Read configuration and watchlists again (SIGHUP)."""
        self.notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._watched = reload.fingerprint(self.in_force.config.watchlists)  # before reading: an edit since is seen
        try:
            reloaded = await self._swap(lambda: reload.read_all(self.in_force.config.path))
            note = self._reload_note(reloaded)
            await self.writer.run(meta.put, "last_hang_up", note)  # `wirewatch reload` waits for it
            return reloaded
        finally:
            self.notifier.tell("READY=1", f"STATUS={self._status_line()}")

    async def _swap(self, read: Callable[[], InForce]) -> Reloaded:
        """Build the new set off the event loop; swap it in whole, or keep the old one and say why. One at a time: a
        slow reading must not put back what a later one replaced."""
        async with self._reloading:
            reloaded = await self._swap_alone(read)
        self._refused = reloaded.problems
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
            if isinstance(error, StoreError):
                self._refused_to_save(error)
            problems = (f"{type(error).__name__}: {error}",)
        return Reloaded(ok=False, watchlists=len(self.in_force.watchlists), problems=problems)

    async def _put_in_force(self, fresh: InForce) -> None:
        if fresh.config is not self.in_force.config:
            await self._use_config(fresh.config)
            self._claimed_at = -math.inf  # feeds that are new wait for nothing
        self.policy = replace(self._policy(fresh), loaded_at=self.policy.loaded_at)
        self.in_force = fresh
        _spare_what_stays()
        await self._backfill()

    async def _backfill(self) -> None:
        """Remember the watchlists in force; those that are new or changed may ask for the stories of the archive."""
        try:
            done, loaded_at = await self.writer.run(backfill.remember, self.policy, self.clock())
        except Exception as error:  # nothing is remembered then, so the next reload or start looks back
            if isinstance(error, StoreError):
                self._refused_to_save(error)
            say("backfill_failed", level=logging.ERROR, error=f"{type(error).__name__}: {error}")
        else:
            self.policy = replace(self.policy, loaded_at=loaded_at)
            if done.watchlists:
                self.metrics.alerts.inc(done.alerts)
                say_fact(done)

    async def _use_config(self, config: Config) -> None:
        """What can fail stands before anything live is touched. Old senders and fetchers stay open for what is under
        way; they are closed with everything else."""
        senders = open_senders(config.channels, config.path, state_dir=config.state_dir)
        await self.writer.run(self._register, config, _recipients(senders))
        keep_secret(config.secrets)
        self._use_senders(senders, config)
        if gate.settings_of(config) != gate.settings_of(self.in_force.config):
            await self._use_fetcher(config)

    async def _use_fetcher(self, config: Config) -> None:
        """A fetcher that knows which hosts asked for peace, from an earlier run or an earlier configuration."""
        if self.fetcher is None:
            with self.database.read() as tx:
                holds = hosts.list_holds(tx)
        else:
            holds = self.fetcher.holds
        fetcher = Fetcher(gate.settings_of(config), now=self.clock, ready=self._room.wait)
        fetcher.restore(holds)
        self.fetcher = await self._stack.enter_async_context(fetcher)

    def _put_holds_back(self, jump: timedelta) -> None:
        self.fetcher.restore(self.fetcher.holds, by=jump)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _alarm(self) -> Alarm:
        def failed(channel: str, error: str) -> None:
            say("operator_not_told", level=logging.ERROR, channel=channel, error=error)

        folder = self.in_force.config.state_dir
        return Alarm(
            self._senders,
            lambda: self.policy.channels,
            folder,
            folder_in_memory(),
            clock=self.clock,
            failed=failed,
        )

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
            articles=config.polling.articles,
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
            _parse_fast,
            self._parse_slowly,
            policy=lambda: self.policy,
            pacing=lambda: _pacing(self.in_force.config),
            clock=self.clock,
            say=self._say_checked,
            refused=self._refused_to_save,
            turns=self.timekeeper.turns,
            holds=lambda: self.fetcher.holds,
            offline_since=self._offline_since(),
            room=self._room,
        )

    def _offline_since(self) -> datetime | None:
        with self.database.read() as tx:
            since = meta.get_all(tx).get("offline", {}).get("since")
        return datetime.fromisoformat(since) if since else None

    async def _fetch(self, feed: Feed, ask: Ask) -> Fetched | NotModified:
        with self.metrics.fetching.time():
            return await gate.fetch_feed(self.fetcher, feed, ask)

    async def _parse_slowly(self, answer: Fetched) -> ParsedFeed:
        """In a child that can be killed."""
        from monitor.core.parse import parse_slow

        return await self.children.run(parse_slow, answer.body, answer.url, answer.content_type)

    def _articles(self) -> Articles:
        return Articles(
            self.writer,
            self._fetch_page,
            self._fetch_robots,
            self._read_page,
            policy=lambda: self.policy,
            feeds=lambda: self.in_force.feeds,
            story_window=lambda: self.in_force.config.alerts.story_window,
            clock=self.clock,
            say=self._say_read,
            refused=self._refused_to_save,
        )

    async def _fetch_page(self, url: str, feed: Feed, may_follow: Callable[[str], bool]) -> Fetched:
        gap = ARTICLE_GAP / self._speed
        return await gate.fetch_page(self.fetcher, url, feed, may_follow=may_follow, gap=gap)

    async def _fetch_robots(self, url: str, feed: Feed) -> Fetched:
        return await gate.fetch_robots(self.fetcher, url, feed)

    async def _read_page(self, answer: Fetched) -> ParsedEntry:
        from monitor.core.extract import read_page  # nor this

        return await self.page_children.run(read_page, answer.body, answer.url, answer.content_type)

    async def _open_page(self, stack: contextlib.AsyncExitStack) -> None:
        """Alerts matter more than the page: where its port is taken, all else goes on."""
        listen = self.in_force.config.web.listen
        if listen:
            from monitor.web.page import serve_page

            try:
                address = await stack.enter_async_context(serve_page(listen, self._behind_the_page()))
            except OSError as error:
                level = logging.DEBUG if self._page_trouble else logging.ERROR  # once is enough
                self._page_trouble = f"at {listen}: {os.strerror(error.errno) if error.errno else error}"
                say("status_page_failed", level=level, listen=listen, error=str(error))
            else:
                self._page_trouble = None
                say("status_page", address=address)

    async def _keep_opening_page(self, stack: contextlib.AsyncExitStack) -> None:
        while self._page_trouble is not None:
            await asyncio.sleep(PAGE_AGAIN.total_seconds() / self._speed)
            await self._open_page(stack)

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
        full = ("writer: the database cannot be written",) if self.storage.trouble else ()
        low = ("feeds: the disk is full, nothing is polled until there is room",) if self.storage.low_since else ()
        ages = self._pulse.ages()
        return (*full, *low, *(f"{part}: nothing done for {ages[part]:.0f} seconds" for part in self._pulse.stuck()))

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

    # ── the database and what is said ────────────────────────────────────────────────────────────

    def _prepare_database(self, tx) -> None:
        """What only the holder of the instance lock may do: take up what a dead instance left."""
        now = self.clock()
        feeds.release_leases(tx)
        articles.release(tx, now)
        self.timekeeper.mend(tx, now)
        recovered = outbox.recover(tx, now, asking=self._ways().asking)
        if recovered:
            say("recovered", deliveries=recovered)
        self._register(tx, self.in_force.config, _recipients(self._senders))
        started = {"at": rfc3339(now), "pid": os.getpid(), "version": __version__, "one_pass": self._one_pass}
        meta.put(tx, "started", started)
        reloaded = Reloaded(ok=True, watchlists=len(self.in_force.watchlists))
        meta.put(tx, "last_reload", self._reload_note(reloaded))
        self.metrics.reloaded(reloaded, now.timestamp())

    def _reseed(self, tx) -> None:
        """Of what these feeds show at their first check nothing is told."""
        meta.put(tx, "reseeding", sorted(self.in_force.feeds))

    def _register(self, tx, config: Config, known: Recipients) -> None:
        feeds.register(tx, config.feeds, self.clock())
        self._cancel_unknown(tx, known)
        channels.forget_unknown(tx, known)
        channels.probe_all(tx)  # what was broken may just have been mended

    def _cancel_unknown(self, tx, known: Recipients) -> None:
        if cancelled := outbox.cancel_unknown(tx, known):
            say("cancelled", level=logging.WARNING, deliveries=cancelled, error=REMOVED)

    def _record_tick(self, tx, known: Recipients) -> None:
        self._cancel_unknown(tx, known)  # also what was being sent while its channel was removed
        if self.storage.trouble:
            meta.try_room(tx)
        told = {"low_since": rfc3339(self.storage.low_since), "page": self._page_trouble}
        meta.put(tx, "last_tick", {"at": rfc3339(self.clock()), "pid": os.getpid(), **told})

    def _reload_note(self, reloaded: Reloaded) -> dict:
        return {"ok": reloaded.ok, "at": rfc3339(self.clock()), "problems": list(reloaded.problems)}

    def _status_line(self) -> str:
        refused = f"last reload refused: {self._refused[0]}" if self._refused else ""
        low = "polling paused: the disk is full" if self.storage.low_since else ""
        parts = (
            f"{len(self.in_force.feeds)} feeds, {len(self.in_force.watchlists)} watchlists",
            f"database cannot be written: {self.storage.trouble}" if self.storage.trouble else low,
            refused,
        )
        return " ".join("; ".join(filter(None, parts)).split())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Around each write transaction, in the writer's thread. One that the database refuses is a turn, too; and who
        waits for another's lock does not stand still: a restart would not help."""
        try:
            with self.metrics.writing.time():
                yield
        except StoreBusy:
            self._pulse.beat("feeds")
            self._pulse.beat("outbox")
            raise
        finally:
            self._written = True
            self._pulse.beat("writer")

    def _refused_to_save(self, error: StoreError) -> None:
        """Of a pass the exit code tells, and only of damage the operator hears, too."""
        if not self._one_pass or isinstance(error, StoreDamaged):
            self.guard.heard(error)

    def _say_tick_failed(self, event: JobExecutionEvent) -> None:
        say("tick_failed", level=logging.ERROR, job=event.job_id, error=repr(event.exception))
        self.metrics.failed_ticks.labels(event.job_id).inc()

    def _say_reloaded(self, fact: Reloaded) -> None:
        say_fact(fact, level=logging.INFO if fact.ok else logging.ERROR)
        self.metrics.reloaded(fact, self.clock().timestamp())

    def _say_checked(self, fact: FeedChecked | NetworkChanged) -> None:
        self._pulse.beat("checks")
        if isinstance(fact, NetworkChanged):
            say_fact(fact, level=logging.INFO if fact.reachable else logging.ERROR)
            return
        self.metrics.checked(fact)
        quiet = fact.outcome == "held" or not (fact.new or fact.note)
        failed = fact.error and fact.outcome != "held"
        say_fact(fact, level=logging.WARNING if failed else logging.DEBUG if quiet else logging.INFO)
        for listener in self._on_checked:
            listener(fact)

    def _say_read(self, fact: ArticleRead) -> None:
        self.alerts_beside += fact.alerts
        self.metrics.read(fact)
        say_fact(fact, level=logging.INFO if fact.alerts else logging.DEBUG)

    def _say_attempted(self, fact: Attempted) -> None:
        self.metrics.attempted(fact, self.clock().timestamp())
        say_fact(fact, level=logging.INFO if fact.outcome == "delivered" else logging.WARNING)


def _spare_what_stays() -> None:
    """Modules and watchlists stay for good: without them a full garbage collection, in which every thread stands still,
    takes a few milliseconds and not a tenth of a second."""
    gc.freeze()


def _feedback_key(tx) -> bytes:
    """What signs the links by which readers judge alerts; made at the first start, and kept in the database."""
    kept = meta.get_all(tx).get("feedback_key")
    if kept is None:
        kept = secrets.token_hex(32)
        meta.put(tx, "feedback_key", kept)
    return bytes.fromhex(kept)


def _recipients(senders: Mapping[str, Sender]) -> Recipients:
    return {name: tuple(sender.recipients) for name, sender in senders.items()}


def _needing_restart(fresh: Config, old: Config) -> tuple[tuple[str, str, str], ...]:
    return (
        ("monitor.database", fresh.database, old.database),
        ("monitor.timezone of the status page", str(fresh.zone), str(old.zone)),
        ("web.listen", fresh.web.listen, old.web.listen),
        ("web.token", fresh.token, old.token),
    )


def _parse_fast(answer: Fetched) -> ParsedFeed | None:
    """None where only the slow reader may read it: what is odd, or large."""
    from monitor.core.parse import parse_fast  # a pass in which nothing is new needs no parser

    if len(answer.body) > FAST_PATH_BYTES:
        return None
    return parse_fast(answer.body, url=answer.url, content_type=answer.content_type)


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
