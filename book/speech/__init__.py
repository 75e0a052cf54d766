"""Speech: from a sound file to a spectrogram, and from a spectrogram to text."""
