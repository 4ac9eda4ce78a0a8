"""What topics make of variables: tables, without I/O."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.contents import LARGEST_PUSH, Email, Push, Slack, Telegram, Text
from angarium.records import IntegrationRecord, TopicRecord, VariableRecord
from angarium.topics import Fault, Unfit, mistakes, payload_of, read_metadata, read_post, render, segments, write_post


def topic(channel: str, template: dict[str, Any], *to: str, **more: Any) -> TopicRecord:
    """One with an integration, and any variable that is a short word."""
    variables = more.pop("variables", {"name": VariableRecord()})
    addresses = {"email": "a@b.example", "sms": "+4930123456", "whatsapp": "+4930123456"}
    one = IntegrationRecord(
        name="one", channel=channel, to=to or (addresses.get(channel, "x"),), template=template, **more
    )
    return TopicRecord(
        namespace="shop", name="x", id="tpc_x", product_id="prd_x", path="a/b", variables=variables, integrations=(one,)
    )


def faults(of: TopicRecord, metadata: str = '{"name": "Jane"}') -> list[Fault]:
    """What is wrong with a post."""
    with pytest.raises(Unfit) as caught:
        render(of, read_metadata(metadata))
    return caught.value.faults


NASTY = r'{"name": "<!channel> & \"x\" _*b*_ 1.5 \\ $name"}'


@pytest.mark.parametrize(
    ("channel", "template", "content"),
    [
        (
            "email",
            {"subject": "For $name", "html": "<p>${name}</p> $$5", "headers": {"X-Name": "$name"}},
            Email(
                subject=r'For <!channel> & "x" _*b*_ 1.5 \ $name',
                html="<p>&lt;!channel&gt; &amp; &quot;x&quot; _*b*_ 1.5 \\ $name</p> $5",
                headers={"X-Name": r'<!channel> & "x" _*b*_ 1.5 \ $name'},
            ),
        ),
        (
            "slack",
            {"text": "<!here> $name", "blocks": [{"type": "section", "text": {"text": "$name"}, "n": 1}]},
            Slack(
                text='<!here> &lt;!channel&gt; &amp; "x" _*b*_ 1.5 \\ $name',
                blocks=(
                    {"type": "section", "text": {"text": '&lt;!channel&gt; &amp; "x" _*b*_ 1.5 \\ $name'}, "n": 1},
                ),
            ),
        ),
        ("telegram", {"text": "$name"}, Telegram(text=r'<!channel> & "x" _*b*_ 1.5 \ $name')),
        (
            "telegram",
            {"text": "<b>$name</b>", "parseMode": "HTML", "silent": True},
            Telegram(
                text="<b>&lt;!channel&gt; &amp; &quot;x&quot; _*b*_ 1.5 \\ $name</b>", parse_mode="HTML", silent=True
            ),
        ),
        (
            "telegram",
            {"text": "*$name*", "parseMode": "MarkdownV2"},
            Telegram(text=r'*<\!channel\> & "x" \_\*b\*\_ 1\.5 \\ $name*', parse_mode="MarkdownV2"),
        ),
        ("sms", {"body": "$name"}, Text(body=r'<!channel> & "x" _*b*_ 1.5 \ $name')),
        (
            "whatsapp",
            {"template": {"id": "HX" + "0" * 32, "variables": {"1": "$name"}}},
            Text.model_validate(
                {"template": {"id": "HX" + "0" * 32, "variables": {"1": r'<!channel> & "x" _*b*_ 1.5 \ $name'}}}
            ),
        ),
        (
            "push",
            {"title": "Hi", "data": {"who": "$name"}},
            Push(title="Hi", data={"who": r'<!channel> & "x" _*b*_ 1.5 \ $name'}),
        ),
    ],
)
def test_variables_become_text_and_never_markup(channel: str, template: dict[str, Any], content: Any) -> None:
    [made] = render(topic(channel, template), read_metadata(NASTY))
    assert made.content == content


def test_numbers_and_booleans_are_put_in_as_they_were_written() -> None:
    variables = {
        name: VariableRecord(type=type_) for name, type_ in (("n", "number"), ("i", "integer"), ("b", "boolean"))
    }
    of = topic("slack", {"text": "$n $i $b"}, variables=variables)
    [made] = render(of, read_metadata('{"n": 19.90, "i": 12345678901234567890123, "b": true}'))
    assert made.content == Slack(text="19.90 12345678901234567890123 true")


def test_a_small_post_makes_no_endless_text() -> None:
    long = json.dumps({"name": "x" * 200_000})
    [fault] = faults(topic("email", {"subject": "x", "text": "$name " * 2}), long)
    assert (fault.at[:2], fault.detail) == (("integrations", 0), "262,144 characters at most with its variables")
    [fault] = faults(topic("slack", {"text": "x"}, "#$name$name"), long)
    assert fault.at == ("integrations", 0, "to", 0)


def test_what_is_left_out_is_its_default_or_nothing() -> None:
    variables = {"a": VariableRecord(required=False), "b": VariableRecord(required=False, default="there")}
    [made] = render(topic("slack", {"text": "hello$a $b"}, variables=variables), {})
    assert made.content == Slack(text="hello there")


@pytest.mark.parametrize(
    ("channel", "template", "place", "detail"),
    [
        ("email", {"text": "x"}, "subject", "is required"),
        ("email", {"subject": "x"}, "", "needs text or html"),
        ("email", {"subject": "$name\n", "text": "x"}, "subject", "must be one line, without control characters"),
        ("email", {"subject": "x", "text": "x", "body": "x"}, "body", "is not a field of this channel"),
        ("email", {"subject": "x", "text": "x", "headers": {"Bcc": "x"}}, "headers", "'Bcc' can't be set here"),
        ("email", {"subject": "x", "text": "x", "replyTo": "$name"}, "replyTo", "must be an address, like"),
        ("push", {"title": "x", "body": "x" * LARGEST_PUSH}, "", "4,096 bytes at most"),
        ("sms", {"body": "x" * 460}, "body", "4 SMS segments (GSM 7-bit); 3 at most"),
        ("sms", {"body": "ж" * 202}, "body", "4 SMS segments (UCS-2, since a character is outside of GSM 7-bit); 3"),
        ("slack", {"text": ""}, "text", "string should have at least 1 character"),
    ],
)
def test_what_a_channel_would_not_take_is_named(
    channel: str, template: dict[str, Any], place: str, detail: str
) -> None:
    [fault] = faults(topic(channel, template))
    assert ".".join(map(str, fault.at)) == f"integrations.0.template.{place}".rstrip(".")
    assert fault.detail.startswith(detail)


@pytest.mark.parametrize(
    ("channel", "to"),
    [("email", "$name"), ("sms", "0664 123456"), ("whatsapp", "$name"), ("slack", "$nothing"), ("telegram", " ")],
)
def test_addresses_are_looked_at_roughly(channel: str, to: str) -> None:
    variables = {"name": VariableRecord(), "nothing": VariableRecord(required=False)}
    template = {"subject": "x", "text": "x"} if channel == "email" else {"body": "x"}
    template = {"text": "x"} if channel in ("slack", "telegram") else template
    [fault] = faults(
        topic(channel, template, "x@y.example" if channel == "email" else "+4930123456", to, variables=variables)
    )
    assert fault.at == ("integrations", 0, "to", 1)


@pytest.mark.parametrize(
    ("template", "to", "place", "detail"),
    [
        ({"text": "costs $5"}, "x", ("template", "text"), "a $ must be followed by the name of a variable; write $$"),
        ({"text": "100$"}, "x", ("template", "text"), "a $ must be followed"),
        ({"text": "$nmae"}, "x", ("template", "text"), "$nmae is not among spec.variables"),
        ({"text": "x", "blocks": [{"a": ["${no}"]}]}, "x", ("template", "blocks", 0, "a", 0), "$no is not among"),
        ({"text": "x"}, "$who", ("to", 0), "$who is not among spec.variables"),
    ],
)
def test_mistakes_are_found_before_anything_is_rendered(
    template: dict[str, Any], to: str, place: tuple[Any, ...], detail: str
) -> None:
    [fault] = mistakes(topic("slack", template, to))
    assert fault.at == ("integrations", 0, *place)
    assert fault.detail.startswith(detail)


@pytest.mark.parametrize(
    ("variable", "place", "detail"),
    [
        (VariableRecord(type="integer", required=False, default="many"), "default", "must be an integer"),
        (VariableRecord(type="number", enum=("1.5", "x")), "enum.1", "must be a number"),
        (VariableRecord(type="boolean", required=False, default="yes"), "default", "must be true or false"),
        (VariableRecord(required=False, default="c", enum=("a", "b")), "default", "must be one of a, b"),
        (VariableRecord(required=False, default="long", max_length=3), "default", "3 characters at most"),
    ],
)
def test_variables_are_looked_at_as_well(variable: VariableRecord, place: str, detail: str) -> None:
    [fault] = mistakes(topic("slack", {"text": "x"}, variables={"v": variable}))
    assert (".".join(map(str, fault.at)), fault.detail) == (f"variables.v.{place}", detail)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 152 + "€" + "x" * 152, 3),  # no character is torn in two
        ("Ä Ñ @ £ \n", 1),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),  # 33 in each
        ("x" * 70 + "’", 2),  # one character makes all of it UCS-2
    ],
)
def test_segments(text: str, count: int) -> None:
    assert segments(text) == count


@given(st.text(max_size=400))
def test_segments_hold_all_and_are_all_needed(text: str) -> None:
    count = segments(text)
    assert 67 * count >= len(text) / 3
    assert count <= 1 + 2 * len(text) / 66
    assert segments(text + "x") in (count, count + 1)


@given(
    st.dictionaries(
        st.text(), st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
    )
)
def test_callbacks_get_the_very_bytes(data: dict[str, Any]) -> None:
    payload = b'{"type":"a.b","data": ' + json.dumps(data, ensure_ascii=False).encode(errors="ignore") + b"}"
    body = write_post(payload, {"a": 0, "b": [1, 2]}, [Slack(text="x")])
    assert payload_of(body) == payload
    assert read_post(body) == (payload, {"a": 0, "b": [1, 2]}, [{"text": "x"}])
