"""The machine as a component made by componentize-py."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import operations, terminal, types

import coroutines
from machine import Machine, Unfinished


def submit(ms):
    try:
        return operations.submit(types.Operation_Sleep(ms))
    except Err:
        raise Unfinished("refused") from None


def write(data):
    try:
        terminal.write(data)
    except Err:
        # A full terminal is no reason to end an agent.
        pass


machine = Machine(write, submit)


def outcome(outcome):
    match outcome:
        case types.Outcome_Done(types.Output_Slept()):
            return "slept"
        case types.Outcome_Cancelled():
            return "cancelled"
        case types.Outcome_OutcomeUnknown():
            return "unknown"
        case _:
            return "failed"


class Handler(exports.Handler):
    def handle(self, event):
        match event:
            case types.Event_Start(start):
                machine.start(start.size.cols, start.size.rows)
            case types.Event_Resume(resume):
                machine.resize(resume.size.cols, resume.size.rows)
            case types.Event_Resize(size):
                machine.resize(size.cols, size.rows)
            case types.Event_Input(data):
                machine.input(data)
            case types.Event_Message(message):
                machine.message(message.body)
            case types.Event_Completed(completion):
                machine.completed(completion.op, outcome(completion.outcome))
            case types.Event_Turn():
                machine.turn()
        coroutines.run()
        return types.Next.AGAIN if machine.wants_turn else types.Next.IDLE
