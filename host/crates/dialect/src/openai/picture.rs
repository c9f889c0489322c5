//! Pictures in a chat completion's answer. OpenAI's own API has no place for them; servers that make some, and their clients,
//! have agreed on `images` beside `content`, each an `image_url` that holds the picture in a `data:` address.

use serde::{Deserialize, Serialize};

use jackfield_core::base::LossyText;
use jackfield_core::contract::Picture;

use super::converse::read_image;
use crate::conversation::Image;
use crate::lenient::lenient;

/// A picture on the wire.
#[derive(Deserialize)]
pub(super) struct WirePicture {
    #[serde(default, deserialize_with = "lenient")]
    image_url: Option<WireUrl>,
}

#[derive(Deserialize)]
struct WireUrl {
    url: LossyText,
}

/// The pictures, and as a text in Markdown those that are only pointed at: they have a place nowhere else.
pub(super) fn read(images: Option<Vec<WirePicture>>) -> (Vec<Picture>, Option<String>) {
    let (mut pictures, mut links) = (Vec::new(), None::<String>);
    for image in images.into_iter().flatten().filter_map(|image| image.image_url) {
        match read_image(image.url.0) {
            Image::Inline { media_type, data } => pictures.push(Picture { media_type, data }),
            Image::Url(url) => links.get_or_insert_default().push_str(&format!("\n![]({url})\n")),
        }
    }
    (pictures, links)
}

/// A picture as it is written.
#[derive(Serialize)]
pub(super) struct OutPicture {
    r#type: &'static str,
    /// Its place among those of its message or piece.
    index: usize,
    image_url: OutUrl,
}

#[derive(Serialize)]
struct OutUrl {
    url: String,
}

/// The pictures as they are written.
pub(super) fn write(pictures: &[Picture]) -> Vec<OutPicture> {
    let all = pictures.iter().enumerate().map(|(index, Picture { media_type, data })| OutPicture {
        r#type: "image_url",
        index,
        image_url: OutUrl { url: format!("data:{media_type};base64,{data}") },
    });
    all.collect()
}
