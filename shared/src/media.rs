//! What bytes are, told by the bytes themselves: neither a name nor a declared type says anything.

/// What models take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// ISO 32000: `%PDF-`.
    Pdf,
    /// PNG, third edition, section 5.2.
    Png,
    /// ITU-T T.81: a start of image, and a marker.
    Jpeg,
    /// GIF87a or GIF89a.
    Gif,
    /// RFC 9649, section 2.4.
    Webp,
    /// UTF-8 without control characters but for white space.
    Text,
}

impl Media {
    /// What these bytes are; nothing for what no model takes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        if starts(b"%PDF-") {
            Some(Self::Pdf)
        } else if starts(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if starts(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if starts(b"GIF87a") || starts(b"GIF89a") {
            Some(Self::Gif)
        } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::Webp)
        } else {
            is_text(bytes).then_some(Self::Text)
        }
    }

    /// The media type that Anthropic's API calls it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Text => "text/plain",
        }
    }

    /// Whether it is a picture.
    pub const fn is_image(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Gif | Self::Webp)
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r\x0c".contains(byte);
    !bytes.is_empty() && !bytes.iter().any(control) && std::str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_they_begin_with() {
        let cases: [(&[u8], Option<Media>); 12] = [
            (b"%PDF-1.7\n%\xe2\xe3", Some(Media::Pdf)),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some(Media::Png)),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Some(Media::Jpeg)),
            (b"GIF89a\x01\0", Some(Media::Gif)),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Some(Media::Webp)),
            (b"RIFF\x24\0\0\0WAVEfmt ", None),
            ("Grüße\r\n\tund mehr".as_bytes(), Some(Media::Text)),
            (b"{\"a\":1}", Some(Media::Text)),
            (b"a\0b", None),
            (b"\xff\xfea\0b\0", None),
            (b"PK\x03\x04", None),
            (b"", None),
        ];
        for (bytes, media) in cases {
            assert_eq!(Media::of(bytes), media, "{bytes:?}");
        }
    }
}
