"""Reading synthesized templates by what they mean: references resolved to the names that the constructs have.

A hashed logical id never appears in a test: `Work` is the bucket whose construct is called Work, ``arn:aws:s3:::Work``
its ARN, ``Cpu/Queue`` the queue of the pool Cpu.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

Json = dict[str, Any]
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "111122223333",
    "AWS::Region": "us-east-1",
    "AWS::URLSuffix": "aws",
}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. `name` is its construct's path in its stack, without CDK's trailing ``Resource``."""

    stack: str
    name: str
    kind: str
    properties: Json
    """With every reference resolved to text."""
    body: Json
    """As it stands in the template."""


class Assembly:
    """What one synthesis wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.templates: dict[str, Json] = {
            path.name.removesuffix(".template.json").rsplit("-", 1)[-1]: json.loads(path.read_text())
            for path in sorted(folder.glob("*.template.json"))
        }

    @cached_property
    def resources(self) -> list[Resource]:
        return [
            Resource(
                stack, self._name(stack, key), body["Type"], self._resolve(stack, body.get("Properties", {})), body
            )
            for stack, template in self.templates.items()
            for key, body in template["Resources"].items()
        ]

    def of(self, kind: str) -> list[Resource]:
        """Resources of a type, given without ``AWS::``."""
        return [resource for resource in self.resources if resource.kind == f"AWS::{kind}"]

    def one(self, kind: str, name: str) -> Resource:
        """The resource of that type and name."""
        (found,) = [resource for resource in self.of(kind) if resource.name == name]
        return found

    def definition(self, name: str) -> Json:
        """The definition of a state machine, by its construct's name."""
        machine = self.one("StepFunctions::StateMachine", f"{name}/StateMachine")
        found: Json = json.loads(machine.properties["DefinitionString"])
        return found

    def machine_arn(self, name: str, *, region: str = PSEUDO["AWS::Region"]) -> str:
        """The ARN of a state machine as it is when it is put together from names, by its construct's name."""
        machine = self.one("StepFunctions::StateMachine", f"{name}/StateMachine")
        account = PSEUDO["AWS::AccountId"]
        return f"arn:aws:states:{region}:{account}:stateMachine:{machine.properties['StateMachineName']}"

    def imported(self, stack: str) -> set[str]:
        """Names of the resources of other stacks that a stack can be updated only together with."""
        text = json.dumps(self.templates[stack])
        exports = set(re.findall(r'"Fn::ImportValue": "([^"]+)"', text))
        return {str(self._resolve(*self.exports[export])).removeprefix("arn:aws:s3:::") for export in exports}

    def statements(self, role: str) -> list[Json]:
        """The policy statements of the role whose construct has that name."""
        return [
            statement
            for policy in self.of("IAM::Policy")
            if any(attached == role for attached in policy.properties["Roles"])
            for statement in policy.properties["PolicyDocument"]["Statement"]
        ]

    def outputs(self, stack: str) -> dict[str, str]:
        """The outputs of a stack, but for those that other stacks import."""
        outputs = self.templates[stack].get("Outputs", {})
        return {key: str(self._resolve(stack, each["Value"])) for key, each in outputs.items() if "Export" not in each}

    @cached_property
    def exports(self) -> dict[str, tuple[str, Any]]:
        return {
            output["Export"]["Name"]: (stack, output["Value"])
            for stack, template in self.templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def _name(self, stack: str, key: str) -> str:
        path: str = self.templates[stack]["Resources"][key].get("Metadata", {}).get("aws:cdk:path", f"/{key}")
        return path.split("/", 1)[1].removesuffix("/Resource")

    def _resolve(self, stack: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolve(stack, item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            match function:
                case "Ref":
                    return PSEUDO.get(argument) or self._known(stack, argument)
                case "Fn::GetAtt":
                    return self._attribute(stack, *argument)
                case "Fn::Join":
                    return argument[0].join(str(self._resolve(stack, part)) for part in argument[1])
                case "Fn::Base64":
                    return base64.b64encode(str(self._resolve(stack, argument)).encode()).decode()
                case "Fn::ImportValue":
                    return self._resolve(*self.exports[argument])
                case "Fn::Sub" if isinstance(argument, str):
                    return argument
        return {key: self._resolve(stack, item) for key, item in value.items()}

    def _known(self, stack: str, key: str) -> str:
        return self._name(stack, key) if key in self.templates[stack]["Resources"] else key

    def _attribute(self, stack: str, key: str, attribute: str) -> str:
        kind = self.templates[stack]["Resources"][key]["Type"]
        name = self._name(stack, key)
        return f"arn:aws:s3:::{name}" if (kind, attribute) == ("AWS::S3::Bucket", "Arn") else name


def states(definition: Json) -> Iterator[tuple[str, Json]]:
    """Every state, those inside maps included, with its name."""
    for name, state in definition["States"].items():
        yield name, state
        if state["Type"] == "Map":
            yield from states(state["ItemProcessor"])


def follow(state: Json, data: Json) -> str:
    """Where a Choice goes, for the tests that are used here."""

    def value(path: str) -> Any:
        found: Any = data
        for part in path.removeprefix("$.").split("."):
            name, _, index = part.removesuffix("]").partition("[")
            if not isinstance(found, dict) or name not in found:
                return None
            found = found[name]
            if index:
                found = found[int(index)] if int(index) < len(found) else None
        return found

    def holds(rule: Json) -> bool:
        if "And" in rule:
            return all(holds(inner) for inner in rule["And"])
        if "Or" in rule:
            return any(holds(inner) for inner in rule["Or"])
        if "Not" in rule:
            return not holds(rule["Not"])
        found = value(rule["Variable"])
        (test,) = set(rule) - {"Variable", "Next"}
        match test:
            case "StringMatches":
                # only * is special there, unlike in fnmatch
                pattern = rule[test].replace("[", "[[]").replace("?", "[?]")
                return isinstance(found, str) and fnmatchcase(found, str(pattern))
            case "StringEquals" | "BooleanEquals":
                return type(found) is type(rule[test]) and bool(found == rule[test])
            case "StringEqualsPath":
                return bool(found == value(rule[test]))
            case "NumericGreaterThanEquals":
                return bool(found >= rule[test])
            case "NumericLessThan":
                return bool(found < rule[test])
            case "IsBoolean":
                return isinstance(found, bool) is bool(rule[test])
            case "IsString":
                return isinstance(found, str) is bool(rule[test])
            case "IsPresent":
                return (found is not None) is bool(rule[test])
        raise AssertionError(test)

    for rule in state["Choices"]:
        if holds(rule):
            return str(rule["Next"])
    return str(state["Default"])
