"""The files client of the official Anthropic SDK against the running gateway, and messages that name files."""

import base64
import inspect
import json
import os
import secrets
import unittest
import urllib.request

import anthropic
from gateway import ALIAS, ready

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TEXT = "Grüße aus einer Datei\n"
BETA = "files-api-2025-04-14"


def client(key=None):
    key = key or ready()["api_key"]
    return anthropic.Anthropic(base_url=ready()["gateway"] + "/anthropic", api_key=key, max_retries=0, timeout=30)


def arrived(marker):
    """The one request at the Bedrock mock with this marker in its body."""
    with urllib.request.urlopen(ready()["bedrock"] + "/_mock/requests", timeout=30) as response:
        (found,) = (it for it in json.load(response) if marker in it["body"])
    return found


class Files(unittest.TestCase):
    def setUp(self):
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
            os.environ.pop(name, None)
        self.files = client().beta.files

    def upload(self, name, content, kind):
        file = self.files.upload(file=(name, content, kind))
        self.addCleanup(self.forget, file.id)
        return file

    def forget(self, file_id):
        try:
            self.files.delete(file_id)
        except anthropic.NotFoundError:
            pass

    def test_a_file_is_uploaded_described_read_and_deleted(self):
        file = self.upload("a.pdf", PDF, "application/pdf")
        self.assertEqual((file.type, file.filename, file.mime_type), ("file", "a.pdf", "application/pdf"))
        self.assertEqual((file.size_bytes, file.downloadable), (len(PDF), True))
        self.assertEqual(self.files.retrieve_metadata(file.id), file)
        self.assertEqual(self.files.download(file.id).read(), PDF)
        deleted = self.files.delete(file.id)
        self.assertEqual((deleted.id, deleted.type), (file.id, "file_deleted"))
        for gone in (self.files.retrieve_metadata, self.files.download, self.files.delete):
            with self.assertRaises(anthropic.NotFoundError):
                gone(file.id)

    def test_all_files_are_listed_page_by_page_the_newest_first(self):
        made = [self.upload(f"{number}.txt", b"x", "text/plain").id for number in range(5)]
        listed = [file.id for file in self.files.list(limit=2)]
        self.assertEqual([it for it in listed if it in made], list(reversed(made)))
        self.assertEqual(len(set(listed)), len(listed))
        page = self.files.list(limit=2, extra_query={"before_id": made[0]})
        self.assertEqual([file.id for file in page.data], [made[2], made[1]])

    def test_a_file_can_be_given_an_end_and_is_of_no_scope(self):
        # Older clients do not know of either by name.
        knows = "expires_in_seconds" in inspect.signature(self.files.upload).parameters
        end = {"expires_in_seconds": 3600} if knows else {"extra_body": {"expires_in_seconds": 3600}}
        scope = {"scope_id": "session_1"} if knows else {"extra_query": {"scope_id": "session_1"}}
        file = self.files.upload(file=("a.txt", b"x", "text/plain"), **end)
        self.addCleanup(self.forget, file.id)
        if knows:
            self.assertEqual((file.expires_at - file.created_at).total_seconds(), 3600)
        self.assertEqual(list(self.files.list(**scope)), [])
        self.assertIn(file.id, [it.id for it in self.files.list()])

    def test_a_bad_name_is_refused_with_the_sdks_own_error(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.files.upload(file=("../a", b"x", "text/plain"))
        self.assertEqual(caught.exception.body["error"]["type"], "invalid_request_error")

    def test_a_message_with_a_pdf_an_image_and_a_text_arrives_as_those_blocks(self):
        files = {
            kind: self.upload(kind, content, "application/octet-stream").id
            for kind, content in {"pdf": PDF, "image": PNG, "text": TEXT.encode()}.items()
        }
        marker = secrets.token_hex(8)
        message = client().beta.messages.create(
            model=ALIAS,
            max_tokens=64,
            betas=[BETA],
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "file", "file_id": files["pdf"]}, "title": "A title"},
                        {"type": "image", "source": {"type": "file", "file_id": files["image"]}},
                        {"type": "document", "source": {"type": "file", "file_id": files["text"]}},
                        {"type": "text", "text": f"What is this? {marker}"},
                    ],
                }
            ],
        )
        self.assertTrue(message.content[0].text)
        request = arrived(marker)
        body = json.loads(request["body"])

        def source(kind, data):
            return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}

        self.assertEqual(
            body["messages"][0]["content"][:3],
            [
                {"type": "document", "source": source("application/pdf", PDF), "title": "A title"},
                {"type": "image", "source": source("image/png", PNG)},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": TEXT}},
            ],
        )
        self.assertNotIn(BETA, request["body"] + json.dumps(request["headers"]))

    def test_anothers_file_in_a_message_answers_like_none(self):
        theirs = client(ready()["admin_key"]).beta.files
        file = theirs.upload(file=("a.txt", b"theirs", "text/plain"))
        self.addCleanup(theirs.delete, file.id)
        told = []
        for file_id in (file.id, "file_none"):
            block = {"type": "document", "source": {"type": "file", "file_id": file_id}}
            with self.assertRaises(anthropic.NotFoundError) as caught:
                client().beta.messages.create(
                    model=ALIAS, max_tokens=64, betas=[BETA], messages=[{"role": "user", "content": [block]}]
                )
            told.append(caught.exception.body["error"])
        self.assertEqual(told[0], told[1])


if __name__ == "__main__":
    unittest.main()
