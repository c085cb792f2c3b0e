"""Vision-language backbones that read images, text and learned queries in a fixed order."""
