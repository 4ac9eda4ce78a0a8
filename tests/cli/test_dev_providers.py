"""Providers in `angarium dev`: their Secret stands in the folder of YAML or is a folder of files, and is tried."""

import json
from pathlib import Path

import yaml
from tests.cli.dev_process import angarium, product
from tests.mailing import MailServer, mail_server

READY = r"provider/mail +Ready +email by smtp"


def provider(mail: MailServer) -> str:
    """YAML of a Provider."""
    metadata = {"name": "mail", "namespace": "shop"}
    manifest = {"apiVersion": "angarium.dev/v1alpha1", "kind": "Provider", "metadata": metadata, "spec": mail.spec()}
    return "---\n" + yaml.safe_dump(manifest)


def secret(data: dict[str, str]) -> str:
    """YAML of its Secret."""
    metadata = {"name": "mail", "namespace": "shop"}
    return "---\n" + yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


async def test_a_secret_in_the_folder_counts_when_it_is_edited(folder: Path, port: int) -> None:
    async with mail_server() as mail:
        (folder / "yaml/shop.yaml").write_text(product() + provider(mail))
        file = folder / "yaml/secret.yaml"
        async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
            await dev.ready()
            line = await dev.says(r'provider/mail +NotReady +SecretNotFound: secret "mail" does not exist')
            file.write_text(secret(mail.secret(password="a-wrong-one")))
            line = await dev.says(READY + r" +CredentialsRefused: 535", line)
            file.write_text(secret(mail.secret()))
            await dev.says(READY + r" +Authenticated", line)
    assert mail.account.logins[-1]
    kept = (folder / ".angarium/objects.json").read_text()
    assert "a-wrong-one" not in kept + "\n".join(dev.printed)
    assert {each["kind"] for each in json.loads(kept)["objects"]} == {"Product", "Provider"}


async def test_a_secret_may_be_a_folder_of_files(folder: Path, port: int) -> None:
    async with mail_server() as mail:
        (folder / "yaml/shop.yaml").write_text(product() + provider(mail))
        async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
            await dev.ready()
            given = folder / ".angarium/secrets/mail"
            given.mkdir()
            for name, value in mail.secret().items():
                (given / name).write_text(value + "\n")
            line = await dev.says(READY + r" +Authenticated")
            (given / "password").unlink()
            await dev.says(r'provider/mail +NotReady +SecretKeyMissing: secret "mail" lacks the key "password"', line)
    assert sorted(path.name for path in given.iterdir()) == ["ca.crt", "username"]
