--- casync: asyncio for Lua. All its names, and where they come from.

local contextvars = require "casync.contextvars"
local core = require "casync.core"
local coroutines = require "casync.coroutines"
local events = require "casync.events"
local exceptions = require "casync.exceptions"
local generators = require "casync.generators"
local graph = require "casync.graph"
local locks = require "casync.locks"
local queues = require "casync.queues"
local runners = require "casync.runners"
local streams = require "casync.streams"
local taskgroups = require "casync.taskgroups"
local tasks = require "casync.tasks"
local timeouts = require "casync.timeouts"

return {
  -- coroutine objects and futures
  async = coroutines.async,
  await = coroutines.await,
  coroutine = coroutines.coroutine,
  iscoroutine = coroutines.iscoroutine,
  iscoroutinefunction = coroutines.iscoroutinefunction,
  isawaitable = core.isawaitable,
  isfuture = core.isfuture,

  -- running
  Runner = runners.Runner,
  run = runners.run,

  -- the loop
  get_event_loop = events.get_event_loop,
  get_running_loop = events.get_running_loop,
  new_event_loop = events.new_event_loop,
  set_event_loop = events.set_event_loop,

  -- tasks
  Task = tasks.Task,
  all_tasks = tasks.all_tasks,
  create_task = tasks.create_task,
  current_task = tasks.current_task,
  eager_task_factory = tasks.eager_task_factory,
  ensure_future = tasks.ensure_future,

  -- waiting
  ALL_COMPLETED = tasks.ALL_COMPLETED,
  FIRST_COMPLETED = tasks.FIRST_COMPLETED,
  FIRST_EXCEPTION = tasks.FIRST_EXCEPTION,
  as_completed = tasks.as_completed,
  checkpoint = tasks.checkpoint,
  gather = tasks.gather,
  is_failure = tasks.is_failure,
  map = tasks.map,
  retry = tasks.retry,
  shield = tasks.shield,
  sleep = tasks.sleep,
  wait = tasks.wait,
  wait_for = tasks.wait_for,

  -- time-outs and protection
  move_on_after = timeouts.move_on_after,
  shielded = timeouts.shielded,
  timeout = timeouts.timeout,
  timeout_at = timeouts.timeout_at,
  with_timeout = timeouts.with_timeout,

  -- groups
  TaskGroup = taskgroups.TaskGroup,
  task_group = taskgroups.task_group,

  -- generators
  generator = generators.generator,

  -- synchronisation
  Barrier = locks.Barrier,
  BoundedSemaphore = locks.BoundedSemaphore,
  Condition = locks.Condition,
  Event = locks.Event,
  Lock = locks.Lock,
  Semaphore = locks.Semaphore,

  -- queues
  LifoQueue = queues.LifoQueue,
  PriorityQueue = queues.PriorityQueue,
  Queue = queues.Queue,

  -- streams
  getaddrinfo = streams.getaddrinfo,
  open_connection = streams.open_connection,
  start_server = streams.start_server,

  -- context
  ContextVar = contextvars.ContextVar,
  copy_context = contextvars.copy_context,

  -- errors
  BrokenBarrierError = exceptions.BrokenBarrierError,
  BrokenExecutor = exceptions.BrokenExecutor,
  CancelledError = exceptions.CancelledError,
  DeadlockError = exceptions.DeadlockError,
  Error = exceptions.Error,
  ExceptionGroup = exceptions.ExceptionGroup,
  GeneratorExit = exceptions.GeneratorExit,
  IncompleteReadError = exceptions.IncompleteReadError,
  InvalidStateError = exceptions.InvalidStateError,
  KeyboardInterrupt = exceptions.KeyboardInterrupt,
  LimitOverrunError = exceptions.LimitOverrunError,
  OSError = exceptions.OSError,
  QueueEmpty = exceptions.QueueEmpty,
  QueueFull = exceptions.QueueFull,
  QueueShutDown = exceptions.QueueShutDown,
  RemoteError = exceptions.RemoteError,
  TimeoutError = exceptions.TimeoutError,
  pcall = exceptions.pcall,
  xpcall = exceptions.xpcall,

  -- seeing what runs
  format_call_graph = graph.format_call_graph,
  print_call_graph = graph.print_call_graph,
}
